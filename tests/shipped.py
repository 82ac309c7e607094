"""The runs that ship, by what they are: tests know neither their names nor their steps."""

from __future__ import annotations

from pathlib import Path

from limoe_core.runs import Run

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"

#: Those that ship have a model card; others that lie beside them have none.
RUNS = tuple(Run.open(card.parent) for card in sorted(FOLDER.glob("*/README.md")))
(LIMOE,) = (run for run in RUNS if run.has_experts)
(DENSE,) = (run for run in RUNS if not run.has_experts)
#: Steps of the LIMoE with parameters, and the layers that have experts.
STEPS = tuple(LIMOE.steps())
LAYERS = tuple(block + 1 for block in LIMOE.config.model.moe_layers)
#: Of an evaluation, and the first of all.
TASK = next(task for task in sorted(LIMOE.evaluations()) if task.startswith("zero_shot_"))
