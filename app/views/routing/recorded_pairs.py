"""The pairs of a run that holds traces of another model: as they were recorded."""

from __future__ import annotations

import numpy as np

from analysis.recipes import record
from app.components.routing import Shown
from app.pair.chosen import choose_example
from app.parts import messages, squares
from app.server import recorded, runs
from app.shell import sidebar, slices
from app.views.routing.drawing import View, draw, explain
from app.views.routing.routed import Routed, group_of
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace


def show(run: Run) -> None:
    """Draws the page."""
    assert run.other is not None
    steps = run.probe_steps()
    if not steps:
        messages.say("info", f"{run.name} has no traces yet.")
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer(run.routers, shown=False)
    trace = runs.probe(run, step)
    example = choose_example(run, trace, _examples(run, trace), slices.pairs_of(trace))
    if example is None:
        messages.say("info", f"{run.name} has no pairs yet.")
        return
    messages.say(
        "info",
        f"These are traces of {run.other.called}, not the model: a picture or a text of your own "
        "cannot be routed here.",
    )
    one = record(RoutingTrace.select, recorded.probe(run, step), [example])
    factor = None if trace.routers is None else trace.routers.capacity_factor
    routed = Routed(one, group_of(run, step, trace, factor), pictures=_pictures(one.value))
    draw(run, routed, View.of(layer))
    explain(run, routed)


def _examples(run: Run, trace: RoutingTrace) -> np.ndarray | None:
    try:
        return runs.example_pictures(run, trace)
    except RunError as error:
        messages.say("error", f"The pictures of this run cannot be shown: {error}")
        return None


def _pictures(trace: RoutingTrace) -> list[Shown]:
    """The pictures of a pair, each with its grid."""
    table = trace.pictures
    if table is None:
        side, grid = trace.image_size, trace.grid
        of_image = bool((trace.token_kinds == "image").any())
        return [Shown(None, grid, grid, side, side)] if of_image else []
    sizes = zip(table.rows, table.columns, table.width, table.height, strict=True)
    shown = []
    for n, (rows, columns, width, height) in enumerate(sizes):
        src = squares.address(table.content[n]) if table.content else None
        shown.append(Shown(src, int(rows), int(columns), int(width), int(height)))
    return shown
