"""Sections about two runs: their curves on one axis, and their differences."""

from __future__ import annotations

from collections.abc import Iterator

import analysis
from analysis import figures
from analysis.figures.differences import TOLD
from analysis.recipes import Recorded, record
from analysis.reporting.one_run import opened
from analysis.reporting.section import Figure, Section, Table
from limoe_core.runs import Predictions, Run

_BUCKETS = 250
_NOTE = (
    "One run each: what differs between these two may differ as much between two seeds of either. "
    "P values are two-sided and, as p_holm, corrected by Holm's method for all rows of the table; "
    "full marks are below 0.05 after it."
)


def curves(run: Run, other: Run) -> Iterator[Section]:
    """Losses of both on one axis."""
    frames = {
        each.name: record(
            analysis.training_rows,
            record(analysis.training_frame, opened(each)),
            ["contrastive", "validation.top1"],
        )
        for each in (run, other)
    }
    frames = {name: frame for name, frame in frames.items() if len(frame.value)}
    if not frames:
        return
    yield Section(
        "Training of both",
        [],
        [
            Figure(
                record(figures.training_figure, frames, half_life=30, buckets=_BUCKETS),
                record(analysis.join_runs, frames),
                "Contrastive loss of the training batches, and validation top-1 in the first "
                "language. Bold: exponential moving average, half-life 30 steps.",
            )
        ],
    )


def differences(run: Run, other: Run) -> Iterator[Section]:
    """What differs, with intervals and corrected p values."""
    names = [run.name, other.name]
    yield from _accuracy(run, other, names)
    yield from _routing(run, other, names)


def _accuracy(run: Run, other: Run, names: list[str]) -> Iterator[Section]:
    steps = [step for each in (run, other) if (step := _evaluated(each)) is not None]
    if len(steps) < 2:
        return
    mine, others = (_answers(each, step) for each, step in zip((run, other), steps, strict=True))
    frame = record(analysis.compare_accuracies, mine, others)
    try:
        _ = frame.value
    except analysis.AnalysisError as error:
        yield Section("Difference in accuracy", [f"There is none to show: {error}."])
        return
    yield Section(
        "Difference in accuracy",
        [_told(frame), f"Steps {steps[0]:,} and {steps[1]:,}. {_NOTE}"],
        [
            Figure(
                record(
                    figures.differences_figure,
                    frame,
                    *names,
                    ["task", "names", "k"],
                    percent=True,
                ),
                frame,
                "Paired differences on the same pictures, with 95 % intervals over concepts.",
            ),
            Table(
                frame,
                "Value: of the first run; other: of the second.",
                ["task", "names", "k", "value", "other", "difference", "low", "high", "p",
                 "p_holm", "n", "concepts"],
            ),
        ],
    )  # fmt: skip


def _routing(run: Run, other: Run, names: list[str]) -> Iterator[Section]:
    if not (run.config.model.experts and other.config.model.experts):
        return
    probed = run.probe_steps(), other.probe_steps()
    if not probed[0] or not probed[1]:
        return
    traces = [
        record(Run.probe, opened(each), steps[-1])
        for each, steps in zip((run, other), probed, strict=True)
    ]
    frame = record(analysis.routing_differences, *traces)
    paired = bool(frame.value["paired"].all())
    yield Section(
        "Difference in routing",
        [
            _told(frame),
            f"Steps {probed[0][-1]:,} and {probed[1][-1]:,}. "
            + ("The same pairs: paired. " if paired else "Not the same pairs: unpaired. ")
            + _NOTE,
        ],
        [
            Figure(
                record(
                    figures.differences_figure, frame, *names, ["layer", "measure", "modality"]
                ),
                frame,
                "Differences by block, with 95 % intervals (jackknife over pairs).",
            ),
            Table(
                frame,
                "Value: of the first run; other: of the second; both less the bias of few pairs.",
                ["layer", "measure", "modality", "value", "other", "difference", "low", "high",
                 "p", "p_holm", "pairs"],
            ),
        ],
    )  # fmt: skip


def _told(frame: Recorded) -> str:
    told = int((frame.value["p_holm"] < TOLD).sum())
    before = int((frame.value["p"] < TOLD).sum())
    return (
        f"{told} of {len(frame.value)} differences {'is' if told == 1 else 'are'} told from chance "
        f"after correction, {before} before it."
    )


def _answers(run: Run, step: int) -> dict[str, Recorded[Predictions]]:
    return {
        task: record(Run.predictions, opened(run), task, step)
        for task, by_step in sorted(run.evaluations().items())
        if str(step) in by_step and run.has("predictions", step, task)
    }


def _evaluated(run: Run) -> int | None:
    steps = analysis.accuracy_frame(run)["step"]
    return int(steps.max()) if len(steps) else None
