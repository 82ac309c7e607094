"""What the change does to the loss and to retrieval, over many pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record
from app.parts import figures, messages, splits, tables
from app.parts.glossary import TERMS
from app.server import jobs, recorded
from app.server.datasets import is_built, other_data
from app.shell import controls, slices
from app.views.interventions.asked import Asked
from app.views.interventions.changes import Setting

if TYPE_CHECKING:
    import pandas as pd

_DATA, _PROBES = "data", "probes"
#: Other changes of the same kind that are tried, at most.
_OTHERS = 20


def show(asked: Asked, setting: Setting, name: str) -> None:
    """Draws the effects, once they are asked for."""
    st.header("Over many pairs", anchor=False, help=TERMS["intervention"])
    words = {_DATA: splits.of_data_pairs(asked.run), _PROBES: "this pair and the probe pairs"}
    offered = [_DATA, _PROBES] if is_built(asked.run.config.data) else [_PROBES]
    measured_on = controls.choice(
        "effects",
        "Measured on",
        offered,
        noun="set of pairs",
        words=words,
        look="buttons",
        say=False,
        shown=len(offered) > 1,
    )
    if measured_on == _DATA and (found := other_data(asked.run)) is not None:
        messages.say("warning", found)
    if slices.active() is not None:
        st.caption("Of all pairs, and not of the slice: a loss is of the pairs it is taken among.")
    call = _call(asked, setting, measured_on)
    pairs = len(call.arguments[2].value)
    if not jobs.known(call.key):
        place = st.empty()
        with place.container():
            st.markdown(
                f"The loss and retrieval among {pairs:,} pairs, before and after, and after up to "
                f"{_OTHERS} other changes of the same kind: seconds to a minute."
            )
            if not st.button("Measure", type="primary", icon=":material/science:"):
                return
        place.empty()
        jobs.want(call.key)
    made = recorded.worked_with_progress(call, "Changing routers")
    frame = made.value
    tried = int(frame["others"].iloc[0])
    loss = frame.iloc[0]
    if loss["before"] >= loss["chance"]:
        messages.say(
            "warning",
            f"On these pairs the model does no better than guessing ({loss['before']:.3f} nats, "
            f"and {loss['chance']:.3f} by chance), so a rise or fall of its loss says little.",
        )
    beside = (
        f" Grey: the range over {tried} changes of the same kind with other experts, drawn at "
        "random in each block."
        if tried
        else ""
    )
    figures.show(
        record(drawn.effects_figure, made),
        made,
        file=f"effects-{measured_on}-{name}",
        note=f"Change by the intervention ({messages.plain(setting.words)}), on n = {pairs:,} "
        f"pairs ({words[measured_on]}), routed as one group; 95 % intervals over pairs, each with "
        f"its negatives held fixed.{beside}",
    )
    _table(frame)


def _call(asked: Asked, setting: Setting, measured_on: str) -> Recorded[pd.DataFrame]:
    images: Recorded[Any] = asked.images
    texts: Recorded[Any] = asked.texts
    if measured_on == _DATA:
        pairs = recorded.worked(
            record(analysis.data_pairs, recorded.opened(asked.run)), "Reading the pairs"
        )
        images, texts, _ = pairs.unpacked("images", "texts", "meta")
    return record(
        analysis.intervention_effects,
        asked.model,
        images,
        texts,
        list(setting.changes),
        capacity_factor=setting.capacity_factor,
        batch_priority=setting.batch_priority,
        others=_OTHERS,
    )


def _table(frame: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    tables.show(
        frame,
        hide_index=True,
        column_config={
            "measure": "measure",
            "before": number("before", format="%.3f"),
            "after": number("after", format="%.3f"),
            "difference": number("difference", format="%+.3f"),
            "low": number("95 % from", format="%+.3f"),
            "high": number("to", format="%+.3f"),
            "chance": number("by chance", format="%.3f"),
            "others_low": number("others from", format="%+.3f"),
            "others_high": number("to", format="%+.3f"),
            "others_worse": number("others as harmful"),
            "others": number("others tried"),
            "pairs": number("pairs"),
        },
    )
