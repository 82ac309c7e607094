"""The question of the page: a model, the pair in view before the probe pairs, and a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import analysis
from analysis.recipes import Recorded, record
from app.pair import routing as pair_routing
from app.server import recorded
from app.views.interventions.changes import Setting
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from analysis.pairs import Pairs
    from limoe_core.inference import LoadedModel


@dataclass(frozen=True, eq=False)
class Asked:
    """Pairs of which the one in view is the first, and the model that routes them."""

    run: Run
    step: int
    model: Recorded[LoadedModel]
    images: Recorded[list[Any]]
    texts: Recorded[list[str]]
    before: Recorded[RoutingTrace]

    def after(self, setting: Setting) -> Recorded[RoutingTrace]:
        """The pairs routed with a change."""
        return _routed(self.model, self.images, self.texts, setting)


def _routed(
    model: Recorded[LoadedModel],
    images: Recorded[list[Any]],
    texts: Recorded[list[str]],
    setting: Setting,
) -> Recorded[RoutingTrace]:
    """All pairs as one group; also without a change through the program that makes changes."""
    from limoe_core.inference import LoadedModel

    call = record(
        LoadedModel.trace,
        model,
        images,
        texts,
        capacity_factor=setting.capacity_factor,
        batch_priority=setting.batch_priority,
        intervention=record(analysis.intervention, model, list(setting.changes)),
    )
    return recorded.kept(call)


def ask(run: Run, step: int, seen: pair_routing.Shown, text: str, concept: str | None) -> Asked:
    """The pair in view before the probe pairs, all routed as they are.

    Raises:
      RunError: the run's parameters or probe pairs cannot be read.
    """
    model = recorded.model(run, step)
    try:
        pool = recorded.probe_pairs(run)
        pairs: Recorded[Pairs] = record(analysis.with_pair, pool, seen.picture, text, concept)
        images, texts, _ = pairs.unpacked("images", "texts", "meta")
        unchanged = Setting((), 0.0, run.config.model.batch_priority)
        before = _routed(model, images, texts, unchanged)
        before.value  # noqa: B018
    except analysis.AnalysisError as error:
        raise RunError(str(error)) from error
    return Asked(run, step, model, images, texts, before)
