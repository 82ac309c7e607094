"""Causal specialisation: the loss increase when an expert is off for one modality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import streamlit as st

import analysis
from analysis import causal
from analysis import figures as drawn
from analysis.causal import Variant
from analysis.pairs import Pairs
from analysis.recipes import Recorded, record
from app.causes import recorded as recorded_causes
from app.parts import figures, messages, splits, tables
from app.parts.glossary import TERMS
from app.server import jobs, recorded
from app.server.datasets import is_built, other_data
from app.shell import controls
from app.views.experts import parameters
from app.views.experts.probe_view import Source
from limoe_core import places
from limoe_core.confined import ANYWHERE
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    import pandas as pd

_KEPT, _DATA, _PROBES = "measured", "data", "probes"
_VARIANTS = {
    "next best": "its tokens go to their next-best expert",
    "none": "its tokens get no output from the layer",
}


def show(source: Source) -> None:
    """Draws the view."""
    if source.run.other is not None:
        recorded_causes.show(source.run, source.layer)
        return
    measured_on = _choose_pairs(source)
    if measured_on == _KEPT and source.measured is not None:
        step = source.step
        variant: Variant = "next best"
        measured = recorded.measured(analysis.measured_causes, source.measured)
        frame = measured.value
        which = f"of {source.measured.value.causal.split}"
    else:
        step = parameters.step_with_parameters(source)
        variant = _choose_variant()
        if measured_on == _DATA and (found := other_data(source.run)) is not None:
            messages.say("warning", found)
        call = _call(source.run, step, variant, measured_on)
        made = _measured(source, step, variant, measured_on, call)
        if made is None:
            return
        frame, measured = made, call.through(lambda _: made)
        which = f"({_measured_on(source.run)[measured_on]})"
    pairs, baseline = int(frame["pairs"].iloc[0]), float(frame["baseline"].iloc[0])
    st.header(
        "Loss increase when an expert is off", anchor=False, help=TERMS["causal specialisation"]
    )
    figures.show(
        record(drawn.causal_figure, measured),
        measured,
        file=f"causal-{variant}-{measured_on}-{source.run.name}-step{step}",
        note=f"Increase of the contrastive loss ({baseline:.3f} nats with all experts on) on "
        f"n = {pairs:,} pairs {which}, each concept and text once, when the expert is off for the "
        f"tokens of one modality alone and {_VARIANTS[variant]}. Guessing has a loss of "
        f"{frame['chance'].iloc[0]:.3f} nats. Step {step:,}, unlimited capacity. 95 % intervals "
        f"over pairs: of {2 * len(frame)} bars without any effect, about {0.1 * len(frame):.0f} "
        "would have one that leaves out 0.",
    )
    if baseline >= frame["chance"].iloc[0]:
        messages.say(
            "warning",
            f"On these pairs the model does no better than guessing ({baseline:.3f} nats, and "
            f"{frame['chance'].iloc[0]:.3f} by chance), so a rise or fall of its loss says little.",
        )
    _table(source, frame)
    _removal(source)


def _removal(source: Source) -> None:
    st.header("With more and more experts off", anchor=False, help=TERMS["removal"])
    if source.measured is None:
        st.caption(
            "Not measured at this step: `python -m limoe_core.evaluate --experts` does so, and "
            "keeps the result in the run."
        )
        return
    frame = recorded.measured(analysis.measured_removal, source.measured)
    first = frame.value.iloc[0]
    orders = source.measured.value.removal.losses.shape[1] - 1
    for column, measure in zip(st.columns(2), ("loss", "top1"), strict=True):
        with column:
            figures.show(
                record(drawn.removal_figure, frame, measure),
                frame,
                file=source.file(f"removal-{measure}"),
                note=f"n = {int(first['pairs']):,} pairs of {source.measured.value.causal.split}; "
                "which experts are needed most was measured on as many others. Experts are off for "
                "the tokens of one modality alone; each layer keeps "
                f"{messages.counted(source.run.config.model.top_k, 'expert')}. Bars: 95 % over "
                f"pairs, and over {orders} random orders.",
            )


def _choose_variant() -> Variant:
    return cast(
        Variant,
        controls.choice(
            "variant",
            "When an expert is off",
            list(_VARIANTS),
            noun="variant",
            words=_VARIANTS,
            look="buttons",
            help=TERMS["causal specialisation"],
        ),
    )


def _choose_pairs(source: Source) -> str:
    """Draws the choice of pairs: those that were measured, of the data set, or the probes."""
    offered = [
        *([_KEPT] if source.measured is not None else []),
        *([_DATA] if is_built(source.run.config.data) else []),
        _PROBES,
    ]
    return controls.choice(
        "pairs",
        "Measured on",
        offered,
        noun="set of pairs",
        words=_measured_on(source.run),
        look="buttons",
        say=False,  # a link may come from a machine that has the data set
        shown=len(offered) > 1,
    )


def _measured_on(run: Run) -> dict[str, str]:
    """Sets of pairs to measure the loss on, by name in the address bar."""
    return {
        _KEPT: "held-out pairs, by evaluate --experts",
        _DATA: splits.of_data_pairs(run),
        _PROBES: splits.of_probes(run),
    }


def _pairs(run: Run, measured_on: str) -> Recorded[Pairs]:
    if measured_on == _PROBES:
        return recorded.probe_pairs(run)
    return recorded.worked(record(analysis.data_pairs, recorded.opened(run)), "Reading the pairs")


def _call(run: Run, step: int, variant: Variant, measured_on: str) -> Recorded[pd.DataFrame]:
    """The measurement, not made yet."""
    model = recorded.model(run, step)
    images, texts, _ = _pairs(run, measured_on).unpacked("images", "texts", "meta")
    return record(analysis.causal_specialisation, model, images, texts, variant=variant)


def _measured(
    source: Source, step: int, variant: Variant, measured_on: str, call: Recorded[pd.DataFrame]
) -> pd.DataFrame | None:
    """The measurement from disk, or made on demand; None before that."""
    model, images, texts = (argument.value for argument in call.arguments)
    run = source.run
    for folder, within in ((run.path_of("causal"), run.within), (_cache(), ANYWHERE)):
        if folder is None:
            continue
        stored = causal.stored_causal_specialisation(
            model, images, texts, folder, variant=variant, within=within
        )
        if stored is not None:
            return stored
    config = source.run.config.model
    passes = 2 * config.experts * len(config.moe_layers)
    key = ("causal", *parameters.mark(source, step), variant, measured_on)
    asked = st.empty()
    if not jobs.known(key):
        with asked.container():
            st.markdown(
                f"Not measured yet for step {step:,}. It takes {passes:,} forward passes of "
                f"{messages.counted(len(texts), 'pair')}, one for each layer, expert and modality: "
                "seconds to minutes. The result is kept on this machine, and you can look at "
                "other pages meanwhile."
            )
            if not st.button("Measure now", type="primary", icon=":material/science:"):
                return None
        asked.empty()
        jobs.want(key)

    def work(progress: jobs.Progress) -> pd.DataFrame:
        if (folder := _cache()) is not None:
            return causal.cached_causal_specialisation(
                model, images, texts, folder, variant=variant, progress=progress
            )
        return call.compute(progress=progress)

    return jobs.result(key, work, "Switching experts off one by one")


def _cache() -> Path | None:
    """Folder of kept results, apart from runs, which may be shared or version-controlled.

    None where there is none that can be written.
    """
    return places.cache("causal")


def _table(source: Source, frame: pd.DataFrame) -> None:
    roles = source.measure(analysis.roles).value[["layer", "expert", "role"]]
    table = frame.merge(roles, on=["layer", "expert"], how="left")
    table["expert"] = [analysis.expert_label(int(e)) for e in table["expert"]]
    number = st.column_config.NumberColumn
    tables.show(
        table[
            [
                "layer",
                "expert",
                "role",
                "index",
                "index_low",
                "index_high",
                "delta_image",
                "effect_image",
                "delta_text",
                "effect_text",
                "image_tokens",
                "text_tokens",
            ]
        ],
        hide_index=True,
        height=320,
        column_config={
            "layer": number("block"),
            "role": st.column_config.TextColumn("role", help=TERMS["role"]),
            "index": number("causal index", format="%.2f", help=TERMS["causal specialisation"]),
            "index_low": number("95 % from", format="%.2f"),
            "index_high": number("to", format="%.2f"),
            "delta_image": number("δ image, nats", format="%+.4f"),
            "delta_text": number("δ text, nats", format="%+.4f"),
            "effect_image": st.column_config.TextColumn("for images"),
            "effect_text": st.column_config.TextColumn("for text"),
            "image_tokens": number("patches"),
            "text_tokens": number("pieces"),
        },
    )
    st.caption(
        "Role: correlational, from the tokens routed to the expert. For images and for text: "
        "needed where the interval of δ lies above 0, harmful where it lies below, so that the "
        "loss is lower without the expert; with one expert a token, empty where no such token "
        "chooses it. Causal index: 0 if δ is the same for both modalities, 1 if it is 0 for one of "
        "them or of opposite signs; empty without an effect."
    )
