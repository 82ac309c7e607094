"""Sentences for the reader. Whatever comes from outside is shown as text, never as markup."""

from __future__ import annotations

import re
from typing import Literal

import streamlit as st

Kind = Literal["info", "warning", "error"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/^=])")
_LONGEST = 300


def plain(text: object, longest: int = _LONGEST) -> str:
    """`text` so that Markdown shows it letter for letter, on one line, shortened if it is long."""
    words = " ".join(str(text).split())
    if len(words) > longest:
        words = words[: longest - 1] + "…"
    return _MARKUP.sub(r"\\\1", words)


def say(kind: Kind, sentence: object) -> None:
    """Shows a sentence in a box. Markup in it is not interpreted."""
    box = {"info": st.info, "warning": st.warning, "error": st.error}[kind]
    icon = {"info": "info", "warning": "warning", "error": "error"}[kind]
    box(plain(sentence, longest=1200), icon=f":material/{icon}:")


def counted(number: int, thing: str, plural: str | None = None) -> str:
    """A number with its noun: "1 pair", "6,240 tokens"."""
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"
