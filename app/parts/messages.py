"""Messages to the reader. Text from outside is shown as text, never as markup."""

from __future__ import annotations

import re
from typing import Literal

import streamlit as st

from analysis.characters import seen

Kind = Literal["info", "warning", "error"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/^=])")
_LONGEST = 300


def plain(text: object, longest: int = _LONGEST) -> str:
    """`text` escaped for Markdown, on one line, shortened if it is long."""
    return _MARKUP.sub(r"\\\1", visible(text, longest))


def visible(text: object, longest: int = _LONGEST) -> str:
    """`text` on one line, shortened if it is long, its invisible characters made visible."""
    whole = str(text)
    words = " ".join(whole[: 4 * longest].split())  # before anything takes long
    if len(words) > longest or len(whole) > 4 * longest:
        words = words[: longest - 1] + "…"
    return seen(words)


def visible_lines(text: str, longest: int) -> str:
    """`visible`, with line breaks and spaces kept."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return seen(cut, keep="\n\t")


def say(kind: Kind, sentence: object) -> None:
    """Shows a sentence in a box. Markup in it is not interpreted."""
    box = {"info": st.info, "warning": st.warning, "error": st.error}[kind]
    icon = {"info": "info", "warning": "warning", "error": "error"}[kind]
    box(plain(sentence, longest=1200), icon=f":material/{icon}:")


def file_trouble(run: str, error: OSError) -> str:
    """The message for a file of a run that could not be read."""
    file = f" ({error.filename})" if error.filename else ""
    return (
        f"A file of {run}{file} could not be read: {error.strerror or error}. If the run was "
        "moved or deleted while it was shown, choose another one in the sidebar, or reload this "
        "page."
    )


def counted(number: int, thing: str, plural: str | None = None) -> str:
    """A number with its noun: "1 pair", "6,240 tokens"."""
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"
