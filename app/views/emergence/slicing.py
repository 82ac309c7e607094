"""The slice on this page: the pairs of each run that is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from analysis.errors import AnalysisError
from analysis.slices import slice_elsewhere, slice_pairs
from app.parts import messages
from app.server import runs
from app.shell import slices
from app.shell.conditions import Slice
from limoe_core.runs import Run, RunError
from limoe_core.trace import RoutingTrace


def of_each(drawn: Sequence[Run]) -> list[tuple[Run, Slice | None]]:
    """Draws the slice of the first run, or the choice of one; the runs that have pairs of it.

    Experts and numbers of pairs in it are those of the first run's newest probe trace, and name the
    same pairs, or pictures, in the others.

    Returns: each run with the slice as conditions on its pairs, None for all pairs.
    """
    whole = _newest(drawn[0])
    if whole is None:
        return [(run, None) for run in drawn]  # the page says why
    pairs = slices.pairs_of(whole)
    chosen = slices.active()
    if pairs is None or chosen is None:
        return [(run, None) for run in drawn]
    return [
        (drawn[0], chosen),
        *((run, there) for run in drawn[1:] if (there := _elsewhere(whole, chosen, run))),
    ]


def _elsewhere(whole: RoutingTrace, chosen: Slice, run: Run) -> Slice | None:
    """The slice on another run's pairs; None, with a message, where none of them is in it."""
    trace = _newest(run)
    if trace is None:
        return chosen
    try:
        where = slice_elsewhere(whole, chosen.where, trace)
        if not slice_pairs(trace, where):
            raise AnalysisError("none of its pairs is in the slice")
    except AnalysisError as error:
        messages.say("info", f"{run.name} is left out: {error}.")
        return None
    return Slice.of(where)


def _newest(run: Run) -> RoutingTrace | None:
    """The newest probe trace that can be read."""
    for step in reversed(run.probe_steps()):
        with suppress(RunError):
            return runs.probe(run, step)
    return None
