"""The slice on this page: the same pairs, and the same pictures, of both sides."""

from __future__ import annotations

import analysis
from analysis.errors import AnalysisError
from analysis.recipes import Recorded, record
from analysis.slices import answer_labels, slice_answers, slice_elsewhere, slice_pairs
from app.server import recorded
from app.shell import slices
from app.shell.conditions import Slice
from limoe_core.runs import Predictions, Run
from limoe_core.trace import RoutingTrace

#: The answers of a run, by task.
Answers = dict[str, Recorded[Predictions]]


def traces(
    one: Recorded[RoutingTrace], other: Recorded[RoutingTrace]
) -> tuple[Recorded[RoutingTrace], Recorded[RoutingTrace]]:
    """Draws the slice of the first trace's pairs, or the choice of one; both traces in it.

    Both of all pairs, with a message, where a side has too few of it.
    """

    def pairs_on_both(chosen: Slice) -> list[int]:
        pairs = slice_pairs(one.value, chosen.where)
        if pairs and min(len(pairs), len(slice_pairs(other.value, there(chosen)))) < 2:
            raise AnalysisError(
                "a difference with an interval needs at least two pairs of the slice on each side"
            )
        return pairs

    def there(chosen: Slice) -> dict[str, list[str | int]]:
        return slice_elsewhere(one.value, chosen.where, other.value)

    pairs = slices.pairs_of(one.value, pairs_on_both)
    chosen = slices.active()
    if pairs is None or chosen is None:
        return one, other
    return (
        record(analysis.slice_trace, one, chosen.where),
        record(analysis.slice_trace, other, there(chosen)),
    )


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
        slices.choose(answer_labels(whole.values()))
        return mine, others

    def pictures() -> list[tuple[str, int]]:
        where = chosen.of_pictures(run)
        return [
            (split, place)
            for split, each in by_split.items()
            for place in slice_answers(each, where)
        ]

    # Several tasks ask about the same pictures.
    by_split = {str(each.split): each for each in whole.values()}
    count = sum(len(each.picture) for each in by_split.values())
    if slices.within(chosen, pictures, count, "picture") is None:
        return mine, others
    where = chosen.of_pictures(run)
    some = [task for task, each in whole.items() if slice_answers(each, where)]
    parts = [
        {
            task: recorded.kept(record(analysis.slice_predictions, side[task], where))
            for task in some
        }
        for side in (mine, others)
    ]
    return parts[0], parts[1]
