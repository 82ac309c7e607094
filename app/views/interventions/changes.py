"""The changes to the routers that a reader has chosen, in the address bar and on the page.

In the address a change is `block.expert.modality.what`, and several are joined by a tilde:
`change=4.2.image.off~6.0.both.forced`; `none` stands for no change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import streamlit as st

from analysis.colours import expert_label
from analysis.interventions import BOTH, WHATS, Change
from app.parts.glossary import TERMS
from app.shell import controls, state
from limoe_core.config import ModelConfig
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

#: Most changes at once: the address has to hold them.
MOST = 16
_NONE = "none"
_WORDS = {
    "off": "off: next best takes over",
    "silenced": "silenced: gives nothing",
    "forced": "forced: takes all tokens",
}
_SHORT = {"off": "off", "silenced": "silenced", "forced": "takes all"}
_TOKENS = {"image": "image tokens", "text": "text tokens", BOTH: "all tokens"}
#: Capacity after the change, by name in the address bar.
_UNLIMITED, _TRAINING, _HALF = "unlimited", "training", "half"


@dataclass(frozen=True)
class Setting:
    """What is changed: experts, capacity and priority."""

    changes: tuple[Change, ...]
    capacity_factor: float
    """0 for no limit."""
    batch_priority: bool

    @property
    def words(self) -> str:
        """The changes in a line of plain words."""
        said = [described(change) for change in self.changes]
        if self.capacity_factor:
            order = "by priority" if self.batch_priority else "in order of position"
            said.append(f"capacity factor {self.capacity_factor:g}, slots given {order}")
        return "; ".join(said) or "nothing changed"


def described(change: Change) -> str:
    """ "block 4, E2 off for image tokens"."""
    block, expert, modality, what = change
    return f"block {block}, {expert_label(expert)} {_SHORT[what]} for {_TOKENS[modality]}"


def choose(model: ModelConfig, first: Change) -> Setting:
    """Draws the changes and what adds to them.

    Args:
      first: the change that the page opens with.
    """
    blocks = [index + 1 for index in model.moe_layers]
    read = _reader(blocks, model.experts)
    changes = state.get("change", read, _Written((first,)))
    with st.container(horizontal=True, vertical_alignment="bottom", key="changes"):
        _chips(changes)
        with st.popover("Add a change", icon=":material/add:", disabled=len(changes) >= MOST):
            _add(blocks, model, changes)
        if changes:
            st.button("None", on_click=_put, args=((),), help="Take all changes back.")
        factors = {
            _UNLIMITED: "unlimited",
            _TRAINING: f"as in training ({model.capacity_factor:g})",
            _HALF: f"half of that ({model.capacity_factor / 2:g})",
        }
        capacity = controls.choice(
            "capacity",
            "Capacity after",
            list(factors),
            words=factors,
            help=TERMS["capacity"],
            width=220,
        )
        priority = controls.toggle(
            "bpr",
            "Batch Priority Routing",
            default=model.batch_priority,
            shown=capacity != _UNLIMITED,
            help="Tokens with the largest gate value get their slots first; without it, those that "
            "come first. Matters only where capacity is limited.",
        )
    factor = {_UNLIMITED: 0.0, _TRAINING: model.capacity_factor, _HALF: model.capacity_factor / 2}
    return Setting(tuple(changes), factor[capacity], priority)


def favourite(trace: RoutingTrace, block: int) -> Change:
    """The change to open with: the expert that most patches of pair 0 choose in a block, off.

    Of a pair without a picture, the one that most of its pieces choose.
    """
    layer = int(np.flatnonzero(trace.layers == block)[0])
    mine = trace.pair == 0
    code = IMAGE if (mine & (trace.modality == IMAGE)).any() else TEXT
    chosen = trace.expert[layer, mine & (trace.modality == code), 0]
    expert = int(np.bincount(chosen, minlength=trace.num_experts).argmax())
    return block, expert, MODALITIES[code], "off"


class _Written(tuple[Change, ...]):
    """Changes that write themselves as in the address bar."""

    def __str__(self) -> str:
        return "~".join(".".join(map(str, change)) for change in self) or _NONE


def _reader(blocks: list[int], experts: int):
    """Reads changes from the address bar."""

    def read(text: str) -> _Written:
        if text == _NONE:
            return _Written()
        parts = text.split("~")
        if len(parts) > MOST:
            raise state.BadValue(f"{len(parts)} changes are too many; {MOST} are read at most")
        return _Written(_change(part, blocks, experts) for part in parts)

    return read


def _change(text: str, blocks: list[int], experts: int) -> Change:
    found = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})\.([a-z]+)\.([a-z]+)", text, re.ASCII)
    if found is None:
        raise state.BadValue(f"change {text!r} is unknown; 4.2.image.off is one")
    block, expert, modality, what = int(found[1]), int(found[2]), found[3], found[4]
    if block not in blocks or expert >= experts:
        raise state.BadValue(
            f"there is no expert {expert} in block {block}; blocks {blocks} have {experts} each"
        )
    if modality not in _TOKENS or what not in WHATS:
        raise state.BadValue(
            f"change {text!r} is unknown; it ends in image, text or both, and in off, silenced or "
            "forced"
        )
    return block, expert, modality, what


def _chips(changes: tuple[Change, ...]) -> None:
    """Draws the changes, each with a way to take it back."""
    if not changes:
        st.markdown("No change: add one.")
        return
    chips = [described(change) for change in changes]
    st.session_state["changes.kept"] = chips

    def keep() -> None:
        kept = st.session_state["changes.kept"]
        _put(tuple(change for change in changes if described(change) in kept))

    st.pills(
        "Changes",
        chips,
        selection_mode="multi",
        key="changes.kept",
        on_change=keep,
        help="Click a change to take it back.",
    )


def _add(blocks: list[int], model: ModelConfig, changes: tuple[Change, ...]) -> None:
    """Draws the fields of a further change."""
    block = st.selectbox("Block", blocks, index=len(blocks) - 1, key="changes.block")
    expert = st.selectbox(
        "Expert", range(model.experts), format_func=expert_label, key="changes.expert"
    )
    modality = st.selectbox(
        "For", [*_TOKENS], format_func=_TOKENS.__getitem__, key="changes.modality"
    )
    what = st.selectbox("What", [*_WORDS], format_func=_WORDS.__getitem__, key="changes.what")
    new: Change = (int(block), int(expert), str(modality), str(what))
    st.button(
        "Add",
        type="primary",
        disabled=new in changes,
        on_click=_put,
        args=((*changes, new),),
    )


def _put(changes: tuple[Change, ...]) -> None:
    state.put("change", str(_Written(dict.fromkeys(changes))))
