"""Sceptic's check: how much specialisation the geometry of the inputs explains."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server import jobs, recorded
from app.shell import controls, state
from app.views.experts import parameters
from app.views.experts.probe_view import Source
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd

    from limoe_core.trace import RoutingTrace


def show(source: Source) -> None:
    """Draws the view."""
    st.markdown(TERMS["sceptic's check"])
    if source.run.other is None:
        step = parameters.step_with_parameters(source)
        trace, pairs = _trace(source.run, step)
    elif source.trace.hidden is not None:
        step, trace, pairs = source.step, source.recorded, source.trace.num_pairs
    else:
        messages.say(
            "info",
            f"The traces of {source.run.other.called} hold no inputs of its routers, which this "
            "check compares them with.",
        )
        return
    check = recorded.worked(record(analysis.sceptics_check, trace), "Clustering routers' inputs")
    if not _asked_for(check):
        return
    frame = check.value
    measures = list(frame["measure"].unique())
    measure = controls.choice(
        "measure",
        "Measure",
        measures,
        noun="measure",
        say=False,
        help=TERMS["specialisation"] + "\n\n" + TERMS["agreement"],
        width=380,
    )
    _in_words(source, frame, measure)
    figures.show(
        record(drawn.sceptic_figure, check, measure),
        check,
        file=f"sceptic-{source.run.name}-step{step}",
        note="Trained: the model's own routers. k-means: clusters of the same inputs, as many as "
        "there are experts, with the modalities weighted equally, or by token. Random: routers "
        "with Gaussian weights; centred: after subtracting the mean of the inputs. Whiskers: 95 % "
        "of the draws. "
        f"Step {step:,}; n = {pairs:,} probe pairs, each concept and text once.",
    )
    _overlap(source, trace, step, pairs)


def _asked_for(check: Recorded[pd.DataFrame]) -> bool:
    """Whether the check is there or under way, or is asked for: it takes a while.

    Who asks has it in the address, so a link to the result makes it where it is not there.
    """
    asked = state.get("check", state.among(("asked",), "value of check"), "") == "asked"
    if asked or jobs.known(check.key):
        return True
    st.markdown(
        "It clusters the routers' inputs of the probe pairs anew, many times over: half a minute "
        "or more. The result is kept while the server runs; other pages can be looked at meanwhile."
    )
    st.button(
        "Check now",
        type="primary",
        icon=":material/science:",
        on_click=_ask,
        args=(check.key,),
    )
    return False


def _ask(key: Hashable) -> None:
    jobs.want(key)
    state.put("check", "asked")


def _trace(run: Run, step: int) -> tuple[Recorded[RoutingTrace], int]:
    """The routing of the probe pairs with the routers' inputs, and the number of pairs."""
    from limoe_core.inference import LoadedModel  # here, since it imports JAX

    model = recorded.model(run, step)
    pairs = recorded.probe_pairs(run)
    images, texts, meta = pairs.unpacked("images", "texts", "meta")
    trace = record(LoadedModel.trace, model, images, texts, hidden=True, meta=meta)
    return trace, len(texts.value)


def _overlap(source: Source, trace: Recorded[RoutingTrace], step: int, pairs: int) -> None:
    st.header("Do similar tokens share experts?", anchor=False, help=TERMS["overlap"])
    frame = recorded.worked(record(analysis.routing_overlap, trace), "Comparing tokens")
    figures.show(
        record(drawn.overlap_figure, frame),
        frame,
        file=f"overlap-{source.run.name}-step{step}",
        note="Two tokens of different pairs: share of their experts in common, by the cosine of "
        "the router's inputs, less their mean. Each point has equally many token pairs; bars: "
        f"95 % over pairs. Step {step:,}; n = {pairs:,} probe pairs.",
    )


def _in_words(source: Source, frame: pd.DataFrame, measure: str) -> None:
    here = frame[(frame["layer"] == source.layer) & (frame["measure"] == measure)]
    if here.empty:
        return
    value = here.set_index("router")["value"]
    st.markdown(
        f"**{source.router}**: the trained router reaches **{value['trained']:.2f}**; k-means "
        f"clusters {value['k-means']:.2f} (by token {value['k-means, by token']:.2f}), random "
        f"routers {value['random']:.2f}, centred {value['random, centred']:.2f}."
    )
