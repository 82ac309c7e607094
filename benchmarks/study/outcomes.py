"""What is measured of a trained run: see "Outcomes" in docs/study/plan.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Num
from sklearn.cluster import KMeans

from analysis import causal_specialisation, first_choice_counts, modality_nmi
from limoe_core.data.pairs import PairSet
from limoe_core.evaluation.embedding import embed_names, embed_pictures
from limoe_core.evaluation.scoring import zero_shot
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import initial_params
from limoe_core.trace import MODALITIES, RoutingTrace

#: Pairs that specialisation is measured on, and starts of k-means.
PAIRS, STARTS = 400, 5
#: A modality has collapsed where one expert has more of its first choices than this.
COLLAPSED = 0.95
#: An expert is dead with at most this part of an even share of either modality's choices.
DEAD = 0.1
#: The end of a run: this part of its logged steps.
_END = 0.1


def zero_shot_accuracies(
    model: LoadedModel, splits: Mapping[str, tuple[PairSet, bool]]
) -> dict[str, dict[str, float]]:
    """Accuracies of each split: `{split: {"top1_en", "top5_en", "top1_mean", "top5_mean"}}`.

    Args:
      splits: of each its pairs, all with the same concepts, and whether an answer is chosen among
        the split's own concepts alone.
    """
    found: dict[str, dict[str, float]] = {}
    names: dict[str, np.ndarray] = {}
    for split, (pairs, own) in splits.items():
        table = pairs.concepts
        names = names or embed_names(model, table)
        pictures = embed_pictures(model, pairs.pictures)
        classes = pairs.shown if own else np.arange(len(table))
        hits = {
            language: [
                zero_shot(
                    pictures,
                    pairs.concept,
                    names[language][classes],
                    classes,
                    np.asarray(table.names_in(language))[classes],
                ).ranks
                < k
                for k in (1, 5)
            ]
            for language in pairs.languages
        }
        mean = np.mean([list(map(np.mean, each)) for each in hits.values()], axis=0)
        english = list(map(np.mean, hits["en"]))
        found[split] = {
            "top1_en": float(english[0]),
            "top5_en": float(english[1]),
            "top1_mean": float(mean[0]),
            "top5_mean": float(mean[1]),
            "n": len(pairs),
            "ways": len(classes),
        }
    return found


def of_layers(model: LoadedModel, pairs: PairSet, seed: int) -> list[dict[str, Any]]:
    """Specialisation of each layer with its baselines, text's experts, and causal effects.

    Args:
      pairs: of concepts that training never saw.
      seed: the run's.
    """
    if not model.config.model.experts:
        return []
    chosen = np.random.default_rng(0).permutation(len(pairs))[:PAIRS]
    english = np.asarray(pairs.concepts.names["en"])[pairs.concept]
    pictures = list(pairs.pictures.batch(chosen))
    texts = [str(name) for name in english[chosen]]
    trace = model.trace(pictures, texts, hidden=True)
    first = initial_params(model.config, seed)
    untrained = LoadedModel(model.config, model.functional, first, model.tokenizer, 0)
    start = modality_nmi(first_choice_counts(untrained.trace(pictures, texts)))
    counts = first_choice_counts(trace)
    own = modality_nmi(counts)
    _, once = np.unique(english, return_index=True)
    causal = causal_specialisation(
        model, list(pairs.pictures.batch(once)), [str(name) for name in english[once]], samples=500
    )
    found = []
    for place, layer in enumerate(trace.layers.tolist()):
        effects = causal[causal.layer == layer]
        assert trace.probs is not None  # of our own routers
        text_gates = trace.probs[place][trace.modality == 1].mean(axis=0).astype(np.float64)
        found.append(
            {
                "layer": layer,
                "nmi": float(own[place]),
                "nmi_start": float(start[place]),
                "nmi_kmeans": kmeans_nmi(trace, place),
                "counts": counts[place].tolist(),
                "dead": int(np.sum(is_dead(counts[place]))),
                "text_experts": float(np.exp(-np.sum(text_gates * np.log(text_gates.clip(1e-30))))),
                "needed_image": float(np.mean(effects.delta_image_low > 0)),
                "needed_text": float(np.mean(effects.delta_text_low > 0)),
            }
        )
    return found


def kmeans_nmi(trace: RoutingTrace, layer: int) -> float:
    """Modality NMI of k-means on a layer's inputs, both modalities weighted equally.

    The mean over some starts.
    """
    assert trace.hidden is not None
    hidden = trace.hidden[layer].astype(np.float64)
    weight = (len(trace.modality) / (2 * np.bincount(trace.modality, minlength=2)))[trace.modality]
    found = []
    for start in range(STARTS):
        clusters = KMeans(trace.num_experts, n_init=1, random_state=start)
        chosen = clusters.fit_predict(hidden, sample_weight=weight)
        counts = np.zeros((2, trace.num_experts))
        np.add.at(counts, (trace.modality, chosen), 1)
        found.append(float(modality_nmi(counts)))
    return float(np.mean(found))


def is_dead(counts: Num[np.ndarray, "2 E"]) -> Integer[np.ndarray, " E"]:
    """1 for experts that either modality hardly chooses."""
    shares = counts / np.maximum(np.sum(counts, axis=1, keepdims=True), 1)
    return np.all(shares <= DEAD / shares.shape[1], axis=0).astype(np.int64)


def of_training(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How training went, from its log.

    Returns: `{"loss", "seconds", "dropped": {modality: share}, "collapsed": {modality: {layer:
      step}}}`; the loss is the contrastive one, in nats, and collapse as the plan says.
    """
    lines = [line for line in metrics if "contrastive" in line]
    end = lines[-max(1, round(_END * len(lines))) :]
    times = np.array([line["time"] for line in lines], np.float64)
    between = np.diff(times)
    found: dict[str, Any] = {
        "loss": float(np.mean([line["contrastive"] for line in end])),
        "last_step": int(lines[-1]["step"]),
        # A longer pause is one between two sittings.
        "seconds": float(between[between < 600].sum()),
        "dropped": {},
        "collapsed": {},
    }
    for modality in MODALITIES:
        layers = [router["layer"] for router in lines[0]["routers"]]
        dropped = [
            np.mean([line["routers"][at]["dropped"][modality] for line in end])
            for at in range(len(layers))
        ]
        found["dropped"][modality] = float(max(dropped, default=0.0))
        found["collapsed"][modality] = {
            str(layer): step
            for at, layer in enumerate(layers)
            if (step := _collapse(lines, end, at, modality)) is not None
        }
    return found


def _collapse(
    lines: Sequence[Mapping[str, Any]], end: Sequence[Mapping[str, Any]], at: int, modality: str
) -> int | None:
    """The first step from which one expert has nearly all to the end; None if it has not."""
    steps = np.array([line["step"] for line in lines])
    most = largest_shares(lines, at, modality)
    if np.any(most[-len(end) :] <= COLLAPSED):
        return None
    spread = np.flatnonzero(most <= COLLAPSED)
    return int(steps[spread[-1] + 1 if len(spread) else 0])


def largest_shares(
    lines: Sequence[Mapping[str, Any]], at: int, modality: str
) -> Float[np.ndarray, " steps"]:
    """Share of a modality's first choices that the busiest expert of a layer has, by line."""
    return np.array([max(line["routers"][at]["share"][modality]) for line in lines], np.float64)
