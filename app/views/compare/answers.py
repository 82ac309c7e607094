"""What both sides answer to the same pictures, and slices of those that one alone knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis.accuracy import require_same_questions
from analysis.errors import AnalysisError
from analysis.recipes import Recorded, rows
from app.parts import messages, splits, tables
from app.parts.export import take_away
from app.parts.glossary import TERMS
from app.parts.tasks import in_order
from app.server import recorded
from app.shell import controls, slices
from app.shell.tasks import choose_task
from app.views.compare.sides import Sides
from limoe_core.runs import Predictions

if TYPE_CHECKING:
    import pandas as pd

#: Values of `analysis.comparison.ANSWERED` in the address bar; what tells the sides apart first.
_CHOICES = {
    "first": "first alone",
    "second": "second alone",
    "alike": "wrong alike",
    "apart": "wrong apart",
    "both": "both right",
}


def show(
    both: Sides,
    mine: Mapping[str, Recorded[Predictions]],
    others: Mapping[str, Recorded[Predictions]],
) -> None:
    """Draws the view's part about single pictures, where both were asked about the same ones."""
    own = splits.asked_of(both.one.run)
    asked = [task for task in mine.keys() & others.keys() if _same(mine, others, task)]
    tasks = in_order(asked, own)
    if not tasks:
        return
    st.header("The same pictures", anchor=False, help=TERMS["zero-shot"])
    left, right = st.columns([3, 1])
    with left:
        task = choose_task(tasks, own)
    languages = [str(language) for language in mine[task].value.languages]
    with right:
        language = controls.choice("language", "Names in", languages, noun="language", say=False)
    frame = recorded.measured(analysis.paired_answers, mine[task], others[task], language)
    counts = frame.value["answered"].value_counts()
    words = _words(*both.names)
    chosen = controls.choice(
        "answered",
        "Pictures",
        list(_CHOICES),
        noun="outcome",
        words=lambda each: f"{words[each]}: {int(counts.get(_CHOICES[each], 0)):,}",
        look="buttons",
        say=False,
    )
    some = rows(frame, f"answered == {_CHOICES[chosen]!r}")
    split = str(mine[task].value.split)
    _offer_slice(some.value, f"{split}, names in {language}: {words[chosen]}")
    _table(some.value, *both.names)
    st.caption(
        messages.plain(
            f"{len(some.value):,} of n = {len(frame.value):,} pictures of the split "
            f"{split}, names in {language}. Confusions on Zero-shot shows the "
            "pictures of a slice.",
            400,
        )
    )
    take_away(frame, file=f"answers-{task}-{language}-{both.file}", what="both answers")


def _same(
    mine: Mapping[str, Recorded[Predictions]],
    others: Mapping[str, Recorded[Predictions]],
    task: str,
) -> bool:
    try:
        require_same_questions(mine[task].value, others[task].value)
    except AnalysisError:
        return False
    return True


def _words(first: str, second: str) -> dict[str, str]:
    """The outcomes for the reader."""
    first, second = (messages.visible(name, 40) for name in (first, second))
    return {
        "first": f"Only {first} is right",
        "second": f"Only {second} is right",
        "alike": "Wrong alike",
        "apart": "Wrong, each otherwise",
        "both": "Both right",
    }


def _offer_slice(frame: pd.DataFrame, called: str) -> None:
    """Draws the button that makes a slice of these pictures."""
    pictures = sorted({*(frame["key"] + "." + frame["style"])})
    if not pictures:
        return
    slices.offer(
        f"Slice of {'this' if len(pictures) == 1 else 'these'} "
        f"{messages.counted(len(pictures), 'picture')}",
        {"picture": pictures},
        called,
        key="compare.slice",
    )


def _table(frame: pd.DataFrame, first: str, second: str) -> None:
    text = st.column_config.TextColumn
    tables.show(
        frame[["concept", "style", "category", "answer", "other_answer"]],
        hide_index=True,
        column_config={
            "concept": text("picture of"),
            "answer": text(f"answer of {messages.visible(first, 60)}"),
            "other_answer": text(f"answer of {messages.visible(second, 60)}"),
        },
    )
