"""The points of the page: pairs of the probe or of a split, or the probe's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from jaxtyping import UInt8

import analysis
from analysis.points import Points
from analysis.recipes import Recorded, record
from app.parts import messages, pictures
from app.parts.glossary import TERMS
from app.server import recorded, runs
from app.server.datasets import is_built, other_data
from app.shell import controls, live, sidebar
from app.shell.conditions import Slice
from limoe_core.runs.directory import Run, RunError

if TYPE_CHECKING:
    import pandas as pd

    from limoe_core.trace import RoutingTrace

PROBES, TOKENS = "probes", "tokens"
#: Most pairs of a split; the first is the default.
_COUNTS = (1_000, 250, 5_000, 20_000, 50_000)
#: Side of a picture as it is kept for the page, in pixels.
_SIDE = 64


@dataclass(frozen=True, eq=False)
class Source:
    """Where the points come from."""

    run: Run
    of: str
    """`PROBES`, `TOKENS` or the name of a split."""
    count: int
    """Most pairs of a split."""
    layer: int | None
    """Block number, for tokens."""

    @cached_property
    def steps(self) -> list[int]:
        """Steps whose points can be shown, rising."""
        return self.run.probe_steps() if self.of == PROBES else self.run.steps()

    @property
    def of_tokens(self) -> bool:
        """Whether a point is a token, and not a picture or a text."""
        return self.of == TOKENS

    @property
    def kinds(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """What one point of each modality is called, and several."""
        if self.of_tokens:
            return ("patch", "patches"), ("piece of text", "pieces of text")
        return ("picture", "pictures"), ("text", "texts")

    def points(self, step: int) -> Recorded[Points]:
        """The points at a step; with progress the first time, where the model makes them.

        Raises:
          RunError: the run has no such step, or it is damaged.
        """
        if self.of == PROBES:
            return recorded.kept(record(analysis.pair_points, recorded.probe(self.run, step)))
        model = recorded.model(self.run, step)
        images, texts, meta = self._pairs.unpacked("images", "texts", "meta")
        if self.of_tokens:
            from limoe_core.inference import LoadedModel  # here, since it imports JAX

            trace: Recorded[RoutingTrace] = record(
                LoadedModel.trace, model, images, texts, hidden=True, meta=meta
            )
            call = record(analysis.token_points, trace, self.layer)
            return recorded.worked(call, "Routing the probe pairs")
        call = record(analysis.embedded_points, model, images, texts, meta)
        return recorded.worked_with_progress(call, "Embedding pictures and texts")

    @cached_property
    def _pairs(self) -> Recorded[Any]:
        if self.of_tokens:
            return recorded.probe_pairs(self.run)
        opened = recorded.opened(self.run)
        call = record(analysis.data_pairs, opened, self.of, self.count, every=True)
        return recorded.worked(call, "Reading the pairs")

    @cached_property
    def pictures(self) -> UInt8[np.ndarray, "p side side 3"] | None:
        """The pictures of the pairs, on white; None where there are none."""
        if self.of == PROBES:
            try:
                return runs.probe_pictures(self.run)
            except RunError as error:
                messages.say("warning", f"The pictures cannot be shown: {error}")
                return None
        key = (self._pairs.key, str(self.run.path), self.run.stamp("probe pictures"))
        return _small(key, self._pairs.value[0])

    def ids(self, points: Points) -> list[str]:
        """Names of the points in the address bar: i12 the picture of pair 12, t12 its text, or of
        tokens their numbers."""
        if self.of_tokens:
            return [f"k{place}" for place in range(len(points.known))]
        known = points.known
        own = (known["pair"] < 0).to_numpy()
        numbers = np.where(own, np.cumsum(own) - 1, known["pair"])
        return [
            f"{'own-' if mine else ''}{modality[0]}{number}"
            for mine, modality, number in zip(own, known["modality"], numbers, strict=True)
        ]

    def conditions(self, chosen: Slice) -> dict[str, list[str]]:
        """The slice as conditions on these points.

        Raises:
          AnalysisError: it is of numbers of probe pairs, of which nothing more is known.
        """
        return chosen.where if self.of == PROBES else chosen.of_pictures(self.run)

    def slice_of(self, rows: pd.DataFrame) -> dict[str, list[str]]:
        """The slice of the pairs of some points: by number, or where these are not of the probe
        pairs, by picture; empty for none."""
        if rows.empty:
            return {}
        if self.of == PROBES:
            return {"pair": sorted({str(pair) for pair in rows["pair"]})}
        return {"picture": sorted({*(rows["concept"] + "." + rows["style"])})}

    @property
    def name(self) -> str:
        """Of saved files."""
        block = f"-block{self.layer}" if self.of_tokens else ""
        return f"{self.of}-{self.run.name}{block}"


def choose(run: Run) -> Source | None:
    """Draws the choice of points; None, with a message, where the run has none."""
    offered = _offered(run)
    if not offered:
        messages.say(
            "info",
            f"{run.name} has neither probe traces with embeddings nor a checkpoint with its data "
            "set on this machine, so there is nothing to put on a map. " + live.BY_ITSELF,
        )
        return None
    of = controls.choice(
        "of",
        "Points",
        list(offered),
        noun="set of points",
        words=offered,
        say=False,  # a link may come from a machine that has the data set
        help=TERMS["token"],
    )
    count = _COUNTS[0]
    if of not in (PROBES, TOKENS):
        if (found := other_data(run)) is not None:
            messages.say("warning", found)
        count = controls.choice(
            "count",
            "Pairs, at most",
            sorted(_COUNTS),
            default=_COUNTS[0],
            words=lambda each: f"{each:,}",
        )
    layer = None
    if of == TOKENS:
        layer = sidebar.choose_layer(run.routers)
    return Source(run, of, count, layer)


def _offered(run: Run) -> dict[str, str]:
    from limoe_core.data.registry import data_set

    offered = {}
    probes = run.probe_steps()
    if probes and runs.probe(run, probes[-1]).image_embeddings.size:
        offered[PROBES] = "probe pairs: the same ones at every probe step"
    if run.steps():
        if is_built(run.config.data):
            for split in data_set(run.config.data).unseen:
                offered[split] = f"pairs of the split {split}"
        if probes and run.config.model.experts:
            offered[TOKENS] = "tokens of the probe pairs, as a router sees them"
    return offered


@st.cache_resource(max_entries=8, show_spinner=False)
def _small(key: tuple[Any, ...], _images: list[np.ndarray]) -> UInt8[np.ndarray, "p s s 3"]:
    from limoe_core.data.preprocess import to_model_input

    return np.stack([pictures.to_bytes(to_model_input(image, _SIDE)) for image in _images])
