"""Blocks about the runs themselves: what was trained, on what, for how long."""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.results import markdown
from benchmarks.results.gathered import Results
from limoe_core.runs import Run


def runs(results: Results) -> str:
    """Both runs side by side."""
    both = [_facts(run) for run in results.runs]
    rows = [[what, *(facts[what] for facts in both)] for what in both[0]]
    return markdown.table(["", *(f"`{run.name}`" for run in results.runs)], rows)


def limoe(results: Results) -> str:
    """The LIMoE, for its model card."""
    return _card(results.limoe)


def twin(results: Results) -> str:
    """The dense twin, for its model card."""
    return _card(results.twin)


def _card(run: Run) -> str:
    return markdown.table(["", ""], [[what, told] for what, told in _facts(run).items()])


def _facts(run: Run) -> dict[str, str]:
    config = run.config
    model, data, train = config.model, config.data, config.train
    steps, parameters = run.steps(), run.info.get("parameters")
    pictures = (run.info.get("data") or {}).get("train_pictures")
    facts = {
        "model": model.summary,
        "parameters": f"{parameters:,}" if isinstance(parameters, int) else "not counted",
        "parameters are here of steps": ", ".join(f"{step:,}" for step in steps) or "none",
        "input": f"{model.image_size}×{model.image_size} pixels in {model.patches} patches; up to "
        f"{model.text_length} of {model.vocab_size:,} SentencePiece pieces",
        "data": (run.info.get("data") or {}).get("name", data.name)
        + (f", {pictures:,} pictures of `train`" if isinstance(pictures, int) else ""),
        "training": f"{train.steps:,} steps of {data.batch_size:,} pictures with "
        f"{markdown.counted(data.captions_per_image, 'caption')} each; {config.optimizer.name}; "
        f"seed {train.seed}",
    }
    logged = run.metrics()
    hours = _hours(logged)
    if hours is not None:
        facts["took"] = f"{hours:.1f} hours from the first to the last step, stops left out"
    losses = [line["contrastive"] for line in logged if "contrastive" in line][-20:]
    if losses:
        facts["contrastive loss in training"] = (
            f"{sum(losses) / len(losses):.2f}, mean of the last {len(losses)} logged steps"
        )
    return facts


def _hours(logged: list[dict[str, Any]]) -> float | None:
    """Time from step to step; a gap ten times as long as most is a stop."""
    times = [(line["step"], line["time"]) for line in logged if "time" in line]
    gaps = [
        (later - earlier) / max(1, step - before)
        for (before, earlier), (step, later) in itertools.pairwise(times)
        if step > before
    ]
    if not gaps:
        return None
    usual = sorted(gaps)[len(gaps) // 2]
    steps = times[-1][0] - times[0][0]
    kept = [gap for gap in gaps if gap <= 10 * usual]
    return steps * sum(kept) / len(kept) / 3600
