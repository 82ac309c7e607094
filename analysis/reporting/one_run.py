"""Sections about one run: how it was trained, how it routes, what it can do."""

from __future__ import annotations

from collections.abc import Iterator

import analysis
from analysis import figures
from analysis.recipes import Recorded, record, rows
from analysis.reporting.section import Figure, Section, Table
from limoe_core.runs import Run

#: Parts of the time axis of which a curve keeps first, smallest, largest and last value.
_BUCKETS = 250
_LOSS = ["loss", "contrastive", "gradient_norm", "pairs_per_second"]
_VALIDATION = ["validation.top1", "validation.top5"]


def opened(run: Run) -> Recorded[Run]:
    """The run, by its name: a report says nothing of where it lies."""
    return record(Run.open, run.name).through(lambda _: run)


def about(run: Run) -> Section:
    """What the run is."""
    model, train = run.config.model, run.config.train
    parameters = run.info.get("parameters")
    data = (run.info.get("data") or {}).get("name", run.config.data.name)
    versions = run.info.get("versions") or {}
    words = [
        f"{model.summary}"
        + (f"; {parameters:,} parameters" if isinstance(parameters, int) else "")
        + f". Trained on {data}, {run.config.data.batch_size:,} pictures a step, {train.steps:,} "
        f"steps, seed {train.seed}.",
        "One run is one seed: intervals below are over pairs, pictures or concepts, and not over "
        "what another seed would give.",
    ]
    if run.origin is not None:
        words.append(f"Started from {run.origin}.")
    if versions:
        words.append("With " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return Section(f"The run {run.name}", words)


def training(run: Run) -> Iterator[Section]:
    """Curves and alarms of training."""
    call = opened(run)
    frame = record(analysis.training_frame, call)
    if frame.value.empty:
        yield Section("Training", [f"{run.name} has logged nothing."])
        return
    alarms = record(analysis.training_alarms, call)
    have = set(frame.value["measure"])
    wanted = [name for name in _LOSS + _VALIDATION if name in have]
    chosen = record(analysis.training_rows, frame, wanted)
    found = len(alarms.value)
    words = [
        "No alarm: none of the rules for collapsed experts, dropped modalities, gradient spikes, "
        "losses that are not finite and falling throughput holds anywhere in the log."
        if not found
        else f"{found} alarm{'' if found == 1 else 's'}, in the table with their rules."
    ]
    parts: list[Figure | Table] = [
        Figure(
            record(figures.training_figure, {run.name: chosen}, half_life=30, buckets=_BUCKETS),
            chosen,
            "Logged values of the training batches (pale) with their exponential moving average, "
            "half-life 30 steps (bold), and validation accuracy in the first language.",
        ),
        Table(
            record(analysis.training_summary, frame),
            "Every logged scalar: its newest value, the step of that, and its extremes.",
            ["title", "unit", "layer", "modality", "newest", "at", "least", "most", "lines"],
        ),
    ]
    if found:
        parts.append(
            Table(alarms, "Alarms.", ["alarm", "since", "last", "times", "sentence", "rule"])
        )
    yield Section("Training", words, parts)


def routing(run: Run) -> Iterator[Section]:
    """Routing of the probe pairs at the newest step that has a trace."""
    probed = run.probe_steps()
    if not run.config.model.experts:
        yield Section("Routing", [f"{run.name} is a dense twin: it has no experts."])
        return
    if not probed:
        yield Section("Routing", [f"{run.name} has no probe trace yet."])
        return
    step, call = probed[-1], opened(run)
    trace = record(Run.probe, call, step)
    about = (
        f"Step {step:,}, n = {trace.value.num_pairs:,} pairs of the validation split, routed as "
        "one group at training capacity."
    )
    roles = record(analysis.roles, trace)
    nmi = record(analysis.modality_specialisation, trace)
    untrained = (
        record(analysis.modality_specialisation, record(Run.probe, call, 0))
        if step and 0 in probed
        else None
    )
    yield Section(
        "Experts and modalities",
        [
            about,
            "Specialisation is the normalised mutual information of expert and modality, each "
            "modality weighted equally. It is correlational. The same of step 0 shows what the "
            "geometry of the inputs gives without any training of the router.",
        ],
        [
            Figure(
                record(figures.shares_figure, roles),
                roles,
                "Share of all image tokens (up) and of all text tokens (down, hatched) that goes "
                "to each expert, by block.",
            ),
            Figure(
                record(figures.specialisation_figure, nmi, untrained=untrained),
                nmi,
                "Normalised mutual information by block, with 95 % intervals (jackknife over "
                "pairs)" + (", and that of step 0." if untrained is not None else "."),
            ),
            Table(
                nmi,
                "Specialisation by block; corrected: less the bias of few pairs.",
                ["layer", "nmi", "corrected", "low", "high", "pairs", "tokens"],
            ),
            *(
                [
                    Table(
                        untrained,
                        "The null: the same at step 0, before any training.",
                        ["layer", "nmi", "corrected", "low", "high", "pairs", "tokens"],
                    )
                ]
                if untrained is not None
                else []
            ),
            Table(
                record(analysis.router_health, trace),
                "Drops and entropies (nats) by block and modality.",
                ["layer", "modality", "tokens", "drop_rate", "token_entropy", "mean_entropy",
                 "experts_used", "largest_share"],
            ),
        ],
    )  # fmt: skip
    if len(probed) > 1:
        yield _emergence(run, step)


def _emergence(run: Run, step: int) -> Section:
    layer = run.config.model.moe_layers[-1] + 1
    timeline = record(analysis.timeline_frame, opened(run))
    return Section(
        "Emergence",
        [f"Block {layer}, on the probe pairs, from step 0 to {step:,}."],
        [
            Figure(
                record(figures.timeline_figure, {run.name: timeline}, layer),
                rows(timeline, f"layer.isna() or layer == {layer}"),
                "Loss, specialisation with its 95 % interval, entropies, drops and saturation "
                "(relative to the last step) over training.",
            )
        ],
    )


def zero_shot(run: Run) -> Iterator[Section]:
    """Stored accuracies at the newest step that was evaluated."""
    call = opened(run)
    every = record(analysis.accuracy_frame, call)
    if every.value.empty:
        yield Section("Zero-shot", [f"{run.name} has no stored zero-shot results."])
        return
    step = int(every.value["step"].max())
    frame = record(analysis.accuracy_frame, call, step)
    headline = rows(frame, "group in ['headline', 'mean over languages']")
    parts: list[Figure | Table] = [
        Figure(
            record(figures.tasks_figure, {run.name: frame}),
            headline,
            "Top-1 accuracy by task with 95 % intervals over concepts. Hatched: mean over "
            "languages.",
        ),
        Table(
            headline,
            "Accuracies; chance is k divided by the number of names, ceiling the best top-1 "
            "possible where concepts share a name.",
            ["task", "group", "name", "k", "value", "low", "high", "chance", "ceiling", "n",
             "concepts", "ways", "data"],
        ),
    ]  # fmt: skip
    retrieval = record(analysis.retrieval_frame, call, step)
    if len(retrieval.value):
        first = retrieval.value["language"].iloc[0]
        parts.append(
            Table(
                rows(retrieval, f"language == {first!r}"),
                f"Retrieval: recall at k in {first}, with 95 % intervals.",
                ["task", "language", "direction", "k", "value", "low", "high", "images", "texts"],
            )
        )
    yield Section("Zero-shot", [f"Step {step:,}."], parts)
