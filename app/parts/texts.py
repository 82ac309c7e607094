"""How a reader's texts come to the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from app.parts import messages

if TYPE_CHECKING:
    from limoe_core.tokenizer import Tokenizer

#: Changes that are told; others are counted.
_MOST = 3
#: Characters of each text that are looked at.
_LOOKED_AT = 500


def say_what_was_changed(tokenizer: Tokenizer, texts: Iterable[str]) -> None:
    """Shows a caption on what the tokenizer changed in some texts, white space apart."""
    note = change_note(
        dict.fromkeys(
            change for text in texts for change in tokenizer.normal(text[:_LOOKED_AT]).changes
        )
    )
    if note:
        st.caption(messages.plain(note, 400))


def change_note(changes: Iterable[str]) -> str:
    """The changes that `Tokenizer.normal` tells of, in a line; "" for none."""
    listed = list(changes)
    if not listed:
        return ""
    more = len(listed) - _MOST
    rest = f" And {messages.counted(more, 'other change')}." if more > 0 else ""
    return f"For the model: {' '.join(listed[:_MOST])}{rest}"
