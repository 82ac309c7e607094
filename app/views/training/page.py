"""Training: how is the run going?"""

from __future__ import annotations

import streamlit as st

from analysis.report import report
from app.parts import figures, messages
from app.parts.export import document
from app.parts.fragments import alone
from app.parts.glossary import help_text
from app.parts.twins import is_twin
from app.server.logs import logged
from app.server.runs import Run, RunError, Runs
from app.shell import controls, live, slices
from app.views.training import alarms, curves, loads, now

#: Runs that may be drawn on one axis.
_MOST = 5


def show(run: Run) -> None:
    """Draws the page."""
    slices.does_not_apply("Training logs numbers of whole batches, and none of single pairs.")
    others = _choose_others(run)
    figures.choose_format()
    for each in [run, *others] if live.following() else others:
        live.follow(each)
    _state(run)
    _curves([run, *others])


def _state(run: Run) -> None:
    def status() -> None:
        with messages.spoken(run.name):  # drawn again by itself, when the run may be gone
            now.status(run)

    alone(status, every=live.EVERY if live.following() else None)
    own = logged(run)
    now.numbers(own)
    if own.scalars.value.empty:
        messages.say(
            "info", f"{run.name} has logged nothing yet. Its curves appear here by themselves."
        )
    alarms.draw(run, own)


def _curves(runs: list[Run]) -> None:
    run = runs[0]
    logs = {each.name: logged(each) for each in runs}
    if all(log.scalars.value.empty for log in logs.values()):
        return
    look = curves.choose(run)
    curves.draw(run, logs, look)
    if run.config.model.experts:
        loads.draw(run, logs[run.name], look.layer)
    document(
        lambda: report(run),
        label="Report of this run",
        file=f"report-{run.name}",
        help_text="One HTML file with figures, numbers, intervals and Python, that needs no server "
        "and no network. Takes some seconds.",
    )
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(
            help_text(
                "contrastive loss",
                "auxiliary losses",
                "optimizer",
                "throughput",
                "validation",
                "routers in training",
                "smoothing",
                "dense twin",
            )
        )


def _choose_others(run: Run) -> list[Run]:
    """Draws the choice of further runs on the same axis; the dense twin unless it is changed."""
    runs = Runs.of(run.path.parent)
    listed = {name: runs.listed(name) for name in runs.usable if name != run.name}
    listed = {name: other for name, other in listed.items() if other.other is None}
    twins = [name for name, other in listed.items() if is_twin(run.config, other.config)]
    if not listed:
        return []
    with st.sidebar:
        chosen = controls.several(
            "with",
            "On the same axis",
            list(listed),
            default=twins[:1],
            noun="run",
            words=lambda name: messages.visible(name) + (" (dense twin)" if name in twins else ""),
            max_selections=_MOST,
            placeholder="other runs",
            help=help_text("dense twin"),
        )
    found = []
    for name in chosen[:_MOST]:
        try:
            found.append(runs.open(name))
        except RunError as error:  # it went away since it was listed
            messages.say("error", f"{name} cannot be shown: {error}")
    return found
