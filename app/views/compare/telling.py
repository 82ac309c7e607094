"""What differences tell and what they do not, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.differences import TOLD
from app.parts import messages

if TYPE_CHECKING:
    import pandas as pd


def summary(frame: pd.DataFrame, one: str, other: str, *, percent: bool = False) -> str:
    """How many differences are told from chance, in Markdown.

    Args:
      frame: `analysis.routing_differences` or `analysis.compare_accuracies`.
    """
    told = frame[frame["p_holm"] < TOLD]
    alone = int((frame["p"] < TOLD).sum())
    sentence = (
        f"**{len(told):,} of {messages.counted(len(frame), 'difference')}** "
        f"{'is' if len(told) == 1 else 'are'} told from chance after Holm's correction "
        f"({alone:,} before it)"
    )
    if len(told):
        more = int((told["difference"] > 0).sum())
        sentence += (
            f": in {more:,} {messages.plain(one)} is higher, in {len(told) - more:,} "
            f"{messages.plain(other)}"
        )
    return sentence + "."
