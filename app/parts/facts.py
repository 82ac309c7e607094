"""A row of small facts: a word, its number, and what goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from analysis.colours import expert_colour, expert_label, text_colour

_RULES = """
<style>
  .facts { display: flex; flex-wrap: wrap; gap: 0.35rem 1.5rem; margin: 0;
           padding: 0 !important; }  /* against the indent that lists have */
  .facts div { min-width: 0; }
  .facts dt { font-size: 0.78rem; opacity: 0.75; margin: 0; padding: 0; font-weight: 400; }
  .facts dd { margin: 0; padding: 0; font-size: 1.15rem; font-weight: 600; line-height: 1.35; }
  .facts dd small { font-size: 0.8rem; font-weight: 400; opacity: 0.8; }
  .facts .chip { display: inline-block; font-size: 0.8rem; font-weight: 700; line-height: 1.3;
                 padding: 0 0.35rem; border-radius: 4px; margin-right: 0.2rem; }
</style>
"""


@dataclass(frozen=True)
class Fact:
    """One entry of the row; all of it is shown as text."""

    term: str
    value: str = ""
    detail: str = ""
    """Basis of the value: its interval, its n."""
    experts: Sequence[int] = ()
    """Experts to name, each in its colour."""
    help_text: str = ""
    """Shown on hovering."""


def show(facts: Sequence[Fact]) -> None:
    """Draws the row."""
    st.html(f'{_RULES}<dl class="facts">{"".join(map(_entry, facts))}</dl>')


def _entry(fact: Fact) -> str:
    chips = "".join(map(_chip, fact.experts))
    detail = f" <small>{escape(fact.detail)}</small>" if fact.detail else ""
    return (
        f'<div title="{escape(fact.help_text)}"><dt>{escape(fact.term)}</dt>'
        f"<dd>{escape(fact.value)}{chips}{detail}</dd></div>"
    )


def _chip(expert: int) -> str:
    colour = expert_colour(expert)
    style = f"background:{colour};color:{text_colour(colour)}"
    return f'<span class="chip" style="{style}">{escape(expert_label(expert))}</span>'
