"""The figures of the page Emergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from app.components.emergence import Past, shares_player
from app.parts import facts, figures, messages
from app.parts.export import file_name, take_away
from app.parts.facts import Fact
from app.parts.glossary import TERMS, help_text
from app.server.status import Status
from app.shell.conditions import Slice
from app.views.emergence import measured
from app.views.emergence.history import History, history
from limoe_core.runs.directory import Run


def draw(shown: Sequence[tuple[Run, Slice | None]], layer: int, *, log: bool) -> None:
    """Draws one run, or two side by side on the same axes, as they are on disk now.

    Args:
      shown: each run with the slice of its pairs, None for all.
    """
    histories = [past for run, chosen in shown if (past := _past(run, chosen)) is not None]
    if not histories:
        return
    beside = [past for past in histories if layer in set(past.shares.value["layer"])]
    for past in histories:
        if past not in beside:
            have = ", ".join(str(block) for block in sorted(past.shares.value["layer"].unique()))
            messages.say(
                "info", f"{past.run.name} has no experts in block {layer}; it has them in {have}."
            )
    if not beside:
        return
    _timeline(beside, layer, log)
    _shares(beside, layer)
    _bands(beside, layer, log)
    for past in beside:
        measured.show(past.run, past.chosen)
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(
            help_text(
                "modality share",
                "role",
                "specialisation",
                "onset",
                "router entropies",
                "dropped",
                "saturation",
                "step",
            )
        )


def _past(run: Run, chosen: Slice | None) -> History | None:
    """The run's history, with messages about missing or damaged traces."""
    past = history(run, chosen)
    if past is not None and run.other is not None and len(past.steps) == 1:
        messages.say(
            "info",
            f"{run.name} has traces of one step of {run.other.called}, so nothing is seen to "
            "emerge; traces of several steps would be drawn over training.",
        )
    if past is None:
        messages.say(
            "info",
            f"{run.name} has no probe trace yet. Training records the first one at step 0; this "
            f"page then shows it. {Status.of(run).sentence}"
            if not run.probe_steps()
            else f"None of the probe traces of {run.name} can be read.",
        )
        return None
    if past.damaged:
        which = ", ".join(f"{step:,}" for step in past.damaged)
        messages.say("warning", f"The probe traces of {run.name} at {which} cannot be read.")
    st.caption(
        f"**{messages.plain(run.name)}** · "
        f"{messages.counted(len(past.steps), 'probe trace')}"
        + (
            f", of step {past.steps[0]:,}"
            if len(past.steps) == 1
            else f" from step {past.steps[0]:,} to {past.steps[-1]:,}"
        )
        + f" · n = {messages.counted(past.pairs, 'pair')}"
        + ("" if chosen is None else f" in the slice, of {past.whole:,}")
        + (
            ", the same at every step"
            if run.other
            else " of the validation split, the same at every step"
        )
        + ("" if run.other else f" · {messages.plain(Status.of(run).sentence)}")
    )
    return past


def _shares(histories: Sequence[History], layer: int) -> None:
    st.header(
        f"Token share per expert over training, {_called(histories, layer)}",
        anchor=False,
        help=TERMS["modality share"],
    )
    shares_player(
        [
            Past(
                past.run.name,
                past.shares.value.query(f"layer == {layer}"),
                file_name(f"emergence-{past.run.name}-block{layer}"),
            )
            for past in histories
        ],
        title=f"Token share per expert, block {layer}",
        key="emergence.player",
    )
    st.caption(
        "Share of all image tokens (up) and of all text tokens (down, hatched) that goes to the "
        "expert, of all choices; its role below where there is room. The slider moves through the "
        "probe steps, with the arrow keys too."
    )
    for column, past in zip(st.columns(len(histories)), histories, strict=True):
        with column:
            take_away(
                past.shares,
                record(drawn.emergence_figure, past.shares, layer),
                file=f"emergence-{past.run.name}-block{layer}",
                what="" if len(histories) == 1 else messages.plain(past.run.name),
                more="SVG and PNG of one step: the buttons above the figure.",
            )


def _timeline(histories: Sequence[History], layer: int, log: bool) -> None:
    st.header(
        f"Loss and router metrics of {_called(histories, layer)}",
        anchor=False,
        help=help_text("specialisation", "onset", "router entropies", "dropped", "saturation"),
    )
    for past in histories:
        _name(past, histories)
        _onset(past, layer)
    frames = {past.run.name: past.timeline for past in histories}
    figures.show(
        record(drawn.timeline_figure, frames, layer, log=log),
        record(analysis.join_runs, frames),
        file="timeline-" + "-".join(past.run.name for past in histories) + f"-block{layer}",
        note="Contrastive loss: of the training batches. Validation: zero-shot top-1 among the "
        "names of the validation concepts, in the first language. The others: on the probe pairs, "
        "at training capacity. Band: 95 % interval, jackknife over pairs. "
        "Saturation: relative to the last recorded step.",
    )


def _onset(past: History, layer: int) -> None:
    """Draws when the layer's specialisation rose over that of the untrained routers."""
    if past.onset is None:
        return
    here = past.onset.value[past.onset.value["layer"] == layer].iloc[0]
    first, last = past.steps[0], past.steps[-1]
    rise = here["last"] - here["baseline"]
    if pd.isna(here["onset"]):
        found = Fact("Onset of specialisation", "none", f"up to step {last:,}")
    else:
        low, high = (
            f"{int(end):,}" if pd.notna(end) else f"after {last:,}"
            for end in (here["low"], here["high"])
        )
        found = Fact(
            "Onset of specialisation", f"step {int(here['onset']):,}", f"95 %: {low} to {high}"
        )
    facts.show(
        [
            replace(found, help_text=TERMS["onset"]),
            Fact(
                f"Modality NMI at step {first:,}",
                f"{here['baseline']:.2f}",
                "untrained routers" if first == 0 else "",
                help_text=TERMS["specialisation"],
            ),
            Fact(
                f"At step {last:,}",
                f"{here['last']:.2f}",
                f"a change of {rise:+.2f}; by chance a rise up to {here['threshold']:.2f}",
                help_text=TERMS["onset"],
            ),
        ]
    )
    take_away(
        past.onset,
        file=f"onset-{past.run.name}",
        what="the onset of all layers",
    )


def _bands(histories: Sequence[History], layer: int, log: bool) -> None:
    st.header(
        f"Tokens of each modality by expert, {_called(histories, layer)}",
        anchor=False,
        help=TERMS["modality share"],
    )
    for past in histories:
        _name(past, histories)
        for column, modality in zip(st.columns(2), ("image", "text"), strict=True):
            with column:
                figures.show(
                    record(drawn.shares_over_steps_figure, past.shares, layer, modality, log=log),
                    past.shares,
                    file=f"bands-{modality}-{past.run.name}-block{layer}",
                    note=f"Share of all {modality} tokens, stacked by expert.",
                )


def _called(histories: Sequence[History], layer: int) -> str:
    """What the layer is called: "block 4"."""
    return messages.visible(histories[0].run.routers[layer], 60)


def _name(past: History, histories: Sequence[History]) -> None:
    if len(histories) > 1:
        st.markdown(f"**{messages.plain(past.run.name)}**")
