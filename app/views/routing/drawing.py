"""The routing of one pair as the page draws it, and what stands below."""

from __future__ import annotations

import re
from dataclasses import dataclass

import streamlit as st

import analysis
from analysis.recipes import record
from app.components.routing import payload, routing_view
from app.parts import messages
from app.parts.export import file_name, take_away
from app.parts.glossary import help_text
from app.shell import state
from app.views.routing.routed import ALONE, Routed, ways
from limoe_core.runs.directory import Run
from limoe_core.trace import TEXT, RoutingTrace

_EVERY_LAYER = "routing.every-layer"  # session: the pair whose layers are all wanted

_WORDS = (
    "token", "piece", "router", "gate", "expert", "capacity", "dropped", "entropy", "layer",
    "similarity", "rank",
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """How a pair is looked at."""

    layer: int
    token: str
    pinned: bool = False
    """It stands beside the pair in view, and follows its layer."""

    @classmethod
    def of(cls, layer: int) -> View:
        """With the token that the address names."""
        return cls(layer, state.get("token", _token, ""))


def draw(run: Run, routed: Routed, view: View, *, name: str = "") -> None:
    """Draws the figure of a pair.

    Args:
      name: names the picture in exported figures.
    """
    step = routed.group.step
    wanted = st.session_state.get(_EVERY_LAYER)

    def data(*, every_layer: bool) -> dict:
        return payload(
            routed.trace,
            routed.group,
            title=f"{run.name}, step {step:,}",
            file=file_name(f"routing-{run.name}-step{step}"),
            picture=routed.picture,
            sharp=routed.sharp,
            pictures=routed.pictures,
            note=_note_on_text(routed.trace),
            name=name,
            layer=view.layer,
            every_layer=every_layer,
        )

    shown = data(every_layer=False)
    if shown["large"] and wanted == shown["pair"]:
        shown = data(every_layer=True)
    routing_view(
        shown,
        layer=view.layer,
        token="" if view.pinned else view.token,
        address=state.address(),
        opened=state.links_opened(),
        on_view=_remember_view,
        pinned=view.pinned,
        key="routing.pinned" if view.pinned else "routing",
    )


def explain_drops(run: Run, routed: Routed) -> None:
    """Says why tokens of the pair are dropped, and where to see them with room for all."""
    if not routed.group.factor or not routed.trace.dropped.any():
        return
    model = run.config.model
    group = "the probe pairs were" if routed.group.pairs > 1 else "this pair was"
    kept = "with the highest gate" if model.batch_priority else "that came first"
    way = ways(model)[ALONE]
    st.caption(
        f"Why tokens are dropped (hatched): {group} routed at the capacity of training, which "
        "limits how many tokens an expert takes. Where more tokens choose the same expert, it "
        f"keeps those {kept} and adds nothing to the others. With “{way}”, under Routed in the "
        "sidebar, this pair is shown as the model in use routes it"
        + ("." if model.eval_capacity_factor else ", where no token is dropped.")
    )


def explain(run: Run, routed: Routed) -> None:
    """Draws the words and the export below the figure."""
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(help_text(*_WORDS))
    take_away(
        record(analysis.to_frame, routed.recorded),
        file=f"routing-{run.name}-step{routed.group.step}",
        what="this routing",
        more="SVG and PNG: the buttons above the figure.",
    )


def _remember_view(layer: int | None, token: str | None, pair: str | None) -> None:
    state.put("layer", layer)
    state.put("token", token)
    st.session_state[_EVERY_LAYER] = pair


def _note_on_text(trace: RoutingTrace) -> str:
    """A sentence about byte pieces, if there are any."""
    pieces = [str(piece) for piece in trace.piece[trace.modality == TEXT]]
    count = sum(piece.startswith("<0x") and piece.endswith(">") for piece in pieces)
    if not count:
        return ""
    return (
        f"{messages.counted(count, 'piece')} of this text stand for one byte each: characters "
        "that the vocabulary lacks fall back to their UTF-8 bytes."
    )


def _token(text: str) -> str:
    if text and not re.fullmatch(r"t[0-9]{1,7}|i([0-9]{1,5}[.])?[0-9]{1,9}", text, re.ASCII):
        raise state.BadValue(
            f"token {text!r} is unknown; i12 is the patch 12, i2.12 the patch 12 of the second "
            "picture, t3 the piece 3 of the text"
        )
    return text
