"""The slice on this page: the same pairs, and the same pictures, of both sides."""

from __future__ import annotations

from collections.abc import Mapping

import analysis
from analysis.errors import AnalysisError
from analysis.recipes import Recorded, record
from analysis.slices import slice_answers, slice_elsewhere
from app.parts import messages
from app.server import recorded
from app.shell import slices
from limoe_core.runs import Predictions, Run
from limoe_core.trace import RoutingTrace

#: The answers of a run, by task.
Answers = dict[str, Recorded[Predictions]]


def traces(
    one: Recorded[RoutingTrace], other: Recorded[RoutingTrace]
) -> tuple[Recorded[RoutingTrace], Recorded[RoutingTrace]] | None:
    """Draws the slice of the first trace's pairs, or the choice of one; both traces in it.

    None, with a message, where a side has no pair in it.
    """
    pairs = slices.pairs_of(one.value)
    chosen = slices.active()
    if pairs is None or chosen is None:
        return one, other
    try:
        there = slice_elsewhere(one.value, chosen.where, other.value)
        both = (
            record(analysis.slice_trace, one, chosen.where),
            record(analysis.slice_trace, other, there),
        )
        if min(each.value.num_pairs for each in both) < 2:
            raise AnalysisError("a difference with an interval needs at least two pairs")
    except AnalysisError as error:
        messages.say("info", f"The slice cannot be compared: {error}. Leave it in the sidebar.")
        return None
    return both


def answers(run: Run, mine: Answers, others: Answers) -> tuple[Answers, Answers]:
    """Draws the slice of the pictures that both were asked about, or the choice of one.

    Args:
      run: the one whose probe pairs the slice is of, if it is of numbers of pairs.

    Returns: the answers of both in it, without tasks that have no picture in it; all answers, with
      a message, where no task has.
    """
    chosen = slices.active()
    whole = {task: mine[task].value for task in sorted(mine.keys() & others.keys())}
    if not whole:
        return mine, others
    if chosen is None:
        slices.choose(
            {
                label: sorted({str(x) for each in whole.values() for x in getattr(each, label)})
                for label in ("category", "style")
            }
        )
        return mine, others
    count = sum(_by_split(whole).values())
    try:
        where = chosen.of_pictures(run)
        parts = [
            {
                task: recorded.kept(record(analysis.slice_predictions, side[task], where))
                for task, each in whole.items()
                if slice_answers(each, where)
            }
            for side in (mine, others)
        ]
        if not parts[0]:
            raise AnalysisError("no picture of these answers is in the slice")
    except AnalysisError as error:
        slices.show(chosen, 0, count, "picture")
        messages.say("info", f"All pictures are shown: {error}.")
        return mine, others
    inside = sum(_by_split({task: each.value for task, each in parts[0].items()}).values())
    slices.show(chosen, inside, count, "picture")
    return parts[0], parts[1]


def _by_split(by_task: Mapping[str, Predictions]) -> dict[str, int]:
    """Pictures by split: several tasks ask about the same ones."""
    return {str(each.split): len(each.picture) for each in by_task.values()}
