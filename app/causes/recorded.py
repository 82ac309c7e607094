"""Effects of changed experts that a run of another model keeps."""

from __future__ import annotations

import math

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from app.parts import figures, messages, tables
from app.server import recorded
from app.shell import controls
from limoe_core.runs.directory import Run

_VARIANTS = {
    "next best": "off: its tokens go to the best of the others",
    "none": "silent: its tokens get nothing of it",
    "forced": "forced: every token is sent to it",
}


def show(run: Run, layer: int) -> None:
    """Draws the effects.

    Args:
      layer: number of the router.
    """
    measured = run.measured_effects()
    if not measured:
        messages.say(
            "info",
            "This run holds traces of another model alone, and an expert can only be switched off "
            "where that model is: python -m limoe_core.record with --causes off measures it and "
            "keeps the result in the run.",
        )
        return
    variant = controls.choice(
        "variant",
        "What is done to an expert",
        measured,
        noun="variant",
        words=lambda name: _VARIANTS.get(name, name),
        look="buttons",
    )
    call = record(Run.effects, recorded.opened(run), variant)
    kept = recorded.kept(call, run.stamp("causal"))
    effects = kept.value
    made = recorded.measured(analysis.recorded_causes, kept, layer)
    frame = made.value
    st.header(f"Rise of the {effects.measure}", anchor=False)
    if frame.empty:
        numbers = ", ".join(map(str, analysis.recorded_causes(effects)["layer"].unique()))
        messages.say("info", f"Not measured at this router; it was at: {numbers or 'none yet'}.")
        return
    unit = str(effects.unit)
    measure = str(effects.measure)
    chance = float(effects.chance)
    guessing = "" if math.isnan(chance) else f"Guessing would give {chance:.3f}. "
    figures.show(
        record(drawn.recorded_causes_figure, made, f"{measure}, {unit}" if unit else measure),
        made,
        file=f"causes-{variant.replace(' ', '-')}-{run.name}-{layer}",
        note=f"{messages.plain(run.routers.get(layer, ''))}: rise of the "
        f"{messages.plain(measure)} ({frame['baseline'].iloc[0]:.3f} {messages.plain(unit)} with "
        f"nothing changed) on n = {int(frame['pairs'].iloc[0]):,} recorded pairs when one expert "
        f"is changed for one kind of token alone. {guessing}95 % intervals over pairs: of "
        f"{len(frame)} bars without any effect, about {0.05 * len(frame):.1f} would have one that "
        "leaves out 0.",
    )
    if frame["baseline"].iloc[0] >= chance:
        messages.say(
            "warning",
            "On these pairs the model does no better than guessing, so a rise or fall of its loss "
            "says little.",
        )
    number = st.column_config.NumberColumn
    tables.show(
        frame.drop(columns=["layer", "baseline", "chance", "pairs"]).assign(
            expert=[analysis.expert_label(int(expert)) for expert in frame["expert"]]
        ),
        hide_index=True,
        height=320,
        column_config={
            "kind": "changed for",
            "rise": number("rise", format="%+.4f"),
            "low": number("95 % from", format="%+.4f"),
            "high": number("to", format="%+.4f"),
            "effect": "the measure",
            "tokens": number("tokens that choose it"),
        },
    )
