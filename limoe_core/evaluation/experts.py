"""Expert statistics of a step, from a thousand pairs of the run's own splits.

Decisions are taken at training's capacity, in groups of pairs, without noise. Beside them stand
what the same routers did before training, what routers do that learned nothing, and what the loss
becomes without each expert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import entr

from limoe_core.config import ConfigError
from limoe_core.data.registry import data_set
from limoe_core.data.source import load_pairs
from limoe_core.evaluation.causal import losses_as_it_is, rises
from limoe_core.evaluation.embedding import Progress, silent
from limoe_core.evaluation.halves import Halves
from limoe_core.evaluation.removal import remove
from limoe_core.evaluation.unlearned import UNLEARNED, assignments
from limoe_core.model.functional import initial_params
from limoe_core.runs.experts import Causal, ExpertRecord, OtherRouters, Removal
from limoe_core.trace import Routers, RoutingTrace

if TYPE_CHECKING:
    from limoe_core.config import DataConfig
    from limoe_core.data.pairs import PairSet
    from limoe_core.inference import LoadedModel

#: Pairs that are measured; fewer where the splits have fewer.
PAIRS = 1024
#: Pairs that are routed together, as those of a probe are.
GROUP = 64
#: Pairs that each expert is switched off for.
CAUSAL_PAIRS = 256
#: Tokens whose routers' inputs are kept, to see what routers do that learned nothing.
_INPUTS = 8_192
#: Routers of each kind that learned nothing.
DRAWS = 20


def measure_experts(
    model: LoadedModel,
    data: DataConfig,
    side: int,
    *,
    count: int = PAIRS,
    causal_pairs: int = CAUSAL_PAIRS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> ExpertRecord:
    """Measures a step's experts on pairs of the splits that training never sees.

    The splits give equally many pairs, as far as they have them; each picture comes once, and the
    languages take turns.

    Args:
      data: where the run's data set lies.
      side: side of its stored pictures, in pixels.
      count: pairs.
      causal_pairs: pairs of the first split that experts are switched off for, no concept or text
        twice.
      draws: routers of each kind that learned nothing.

    Raises:
      ConfigError: the model has no experts, or the splits have fewer than two pairs to measure on.
    """
    config = model.config.model
    if not config.moe_layers:
        raise ConfigError("a dense twin has no experts to measure")
    splits = _splits(data, side)
    chosen = _chosen(splits, count, seed)
    pictures, texts, meta = _mixed(*_read(chosen), seed)
    if len(texts) < 2:
        raise ConfigError(f"the splits {', '.join(splits)} have no two pairs to measure on")
    traces, means, entropies, hidden = _routed(model, pictures, texts, meta, progress)
    trace = RoutingTrace.joined(traces)
    causal, removal = _causal(model, splits, causal_pairs, seed, progress)
    looked_at = len(np.unique(trace.pair[: hidden.shape[1]]))
    return ExpertRecord(
        told={
            "step": model.step,
            "data": next(iter(splits.values())).name,
            "splits": {name: len(places) for name, (_, places) in chosen.items()},
            "seed": seed,
            "group": GROUP,
            "capacity_factor": config.capacity_factor,
        },
        trace=trace,
        mean_probs=means,
        token_entropy=entropies,
        untrained=_untrained(model, pictures, texts, progress),
        others=OtherRouters(
            UNLEARNED,
            _other_routers(trace, hidden, draws, seed, progress),
            looked_at,
        ),
        causal=causal,
        removal=removal,
    )


# ---- pairs


def _splits(data: DataConfig, side: int) -> dict[str, PairSet]:
    names = data_set(data).unseen or ("validation",)
    return {name: load_pairs(data, name, progress=False, side=side) for name in names}


def _chosen(
    splits: Mapping[str, PairSet], count: int, seed: int
) -> dict[str, tuple[PairSet, Integer[np.ndarray, " n"]]]:
    """Places of the pairs in each split, in random order; small splits give all that they have."""
    left, chosen = count, {}
    for number, name in enumerate(sorted(splits, key=lambda name: len(splits[name]))):
        pairs = splits[name]
        share = min(len(pairs), -(-left // (len(splits) - number)))
        chosen[name] = (pairs, np.random.default_rng(seed).permutation(len(pairs))[:share])
        left -= share
    return {name: chosen[name] for name in splits if len(chosen[name][1])}


def _read(
    chosen: Mapping[str, tuple[PairSet, Integer[np.ndarray, " n"]]],
) -> tuple[list[np.ndarray], list[str], dict[str, list[str]]]:
    """Pictures, texts and what else is known of each pair, split by split."""
    pictures: list[np.ndarray] = []
    texts: list[str] = []
    names = ("split", "concept", "name", "category", "style", "language")
    meta: dict[str, list[str]] = {name: [] for name in names}
    for split, (pairs, places) in chosen.items():
        table = pairs.concepts
        for place in places.tolist():
            concept = int(pairs.concept[place])
            languages = table.languages_of(concept)
            language = languages[len(texts) % len(languages)]
            pictures.append(pairs.pictures[place])
            texts.append(str(table.names[language][concept]))
            known = (
                split,
                str(table.keys[concept]),
                str(table.names[table.first_language][concept]),
                str(pairs.category[place]),
                str(pairs.style[place]),
                language,
            )
            for name, value in zip(names, known, strict=True):
                meta[name].append(value)
    return pictures, texts, meta


def _mixed(
    pictures: Sequence[np.ndarray],
    texts: Sequence[str],
    meta: Mapping[str, Sequence[str]],
    seed: int,
) -> tuple[list[np.ndarray], list[str], dict[str, list[str]]]:
    """The pairs in random order, so that each group has some of all splits."""
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    return (
        [pictures[i] for i in order],
        [texts[i] for i in order],
        {name: [values[i] for i in order] for name, values in meta.items()},
    )


# ---- routing


def _routed(
    model: LoadedModel,
    pictures: Sequence[np.ndarray],
    texts: Sequence[str],
    meta: Mapping[str, Sequence[str]],
    progress: Progress,
) -> tuple[
    list[RoutingTrace],
    Float[np.ndarray, "L 2 E"],
    Float[np.ndarray, "L 2"],
    Float[np.ndarray, "L t c"],
]:
    """Traces of the groups, mean gate distributions and entropies, and the first tokens' inputs.

    Traces come without distributions, embeddings and inputs, so that a large model's fit in memory.
    """
    config = model.config.model
    layers, experts = len(config.moe_layers), config.experts
    routers = Routers(
        experts=np.full(layers, experts, np.int32),
        names=tuple(f"block {block + 1}" for block in config.moe_layers),
        capacity_factor=config.capacity_factor,
    )
    total, entropy = np.zeros((layers, 2, experts)), np.zeros((layers, 2))
    tokens = np.zeros(2)
    traces, hidden, kept = [], [], 0
    for trace in _groups(model, pictures, texts, meta, _INPUTS, progress):
        assert trace.probs is not None  # of our own routers
        for code in range(2):
            of_modality = trace.probs[:, trace.modality == code].astype(np.float64)
            total[:, code] += of_modality.sum(axis=1)
            entropy[:, code] += entr(of_modality).sum(axis=(1, 2))
            tokens[code] += of_modality.shape[1]
        if trace.hidden is not None:
            hidden.append(trace.hidden.astype(np.float32))
            kept += trace.num_tokens
        none = np.zeros((trace.num_pairs, 0), np.float32)
        traces.append(
            replace(
                trace,
                probs=None,
                hidden=None,
                routers=routers,
                image_embeddings=none,
                text_embeddings=none,
            )
        )
    means = total / tokens.clip(1)[None, :, None]
    return traces, means, entropy / tokens.clip(1), np.concatenate(hidden, axis=1)


def _groups(
    model: LoadedModel,
    pictures: Sequence[np.ndarray],
    texts: Sequence[str],
    meta: Mapping[str, Sequence[str]],
    inputs: int,
    progress: Progress,
    label: str = "routing",
) -> Iterator[RoutingTrace]:
    """The routing of the pairs at training's capacity, group by group.

    Args:
      inputs: the routers' inputs are kept until there are so many tokens.
    """
    kept = 0
    for start in progress(label, range(0, len(texts), GROUP)):
        part = slice(start, start + GROUP)
        trace = model.trace(
            pictures[part],
            texts[part],
            hidden=kept < inputs,
            meta={name: values[part] for name, values in meta.items()},
            capacity_factor=model.config.model.capacity_factor,
        )
        kept += trace.num_tokens
        yield trace


def _untrained(
    model: LoadedModel, pictures: Sequence[np.ndarray], texts: Sequence[str], progress: Progress
) -> Integer[np.ndarray, "L N 2 E"] | None:
    """Choices at step 0 by pair; None for a run that started from another, which may be away."""
    if model.run is None or model.run.origin is not None:
        return None
    fresh = replace(model, params=initial_params(model.config, model.config.train.seed), step=0)
    counts = []
    for trace in _groups(fresh, pictures, texts, {}, 0, progress, "routing at step 0"):
        shape = (trace.num_layers, trace.num_pairs, 2, trace.num_experts)
        found = np.zeros(shape, np.int64)
        of_token = (trace.pair[:, None], trace.modality[:, None])
        for layer in range(trace.num_layers):
            np.add.at(found[layer], (*of_token, trace.expert[layer]), 1)
        counts.append(found)
    return np.concatenate(counts, axis=1)


# ---- routers that learned nothing


def _other_routers(
    trace: RoutingTrace,
    hidden: Float[np.ndarray, "L t c"],
    draws: int,
    seed: int,
    progress: Progress,
) -> Integer[np.ndarray, "R L D 2 E"]:
    """Token counts of `UNLEARNED` on the first tokens' inputs, by layer and draw."""
    experts, modality = trace.num_experts, trace.modality[: hidden.shape[1]]
    counts = np.zeros((len(UNLEARNED), len(hidden), draws, 2, experts), np.int64)
    for layer in progress("routers that learned nothing", range(len(hidden))):
        made = assignments(hidden[layer], modality, experts, draws, (seed, layer))
        for kind, name in enumerate(UNLEARNED):
            for draw, chosen in enumerate(made[name]):
                np.add.at(counts[kind, layer, draw], (modality, chosen), 1)
    return counts


# ---- causes


def _causal(
    model: LoadedModel, splits: Mapping[str, PairSet], count: int, seed: int, progress: Progress
) -> tuple[Causal, Removal]:
    """What the first split's loss becomes without experts; no concept or text comes twice."""
    name, pairs = next(iter(splits.items()))
    order = np.random.default_rng(seed).permutation(len(pairs))
    _, first = np.unique(pairs.concept[order], return_index=True)
    pictures, texts, _ = _read({name: (pairs, order[np.sort(first)])})
    seen = {text: place for place, text in reversed(list(enumerate(texts))) if text}
    chosen = sorted(seen.values())[:count]
    halves = Halves.of(model, [pictures[i] for i in chosen], [texts[i] for i in chosen])
    config = model.config.model
    found = np.zeros((len(config.moe_layers), config.experts, 2, len(chosen)), np.float16)
    for layer in progress("switching experts off", range(len(config.moe_layers))):
        for _, expert, rise in rises(halves, [layer]):
            found[layer, expert] = rise
    tokens = np.stack([halves.first_choices(code) for code in range(2)], axis=1)
    removal = remove(halves, seed=seed, progress=progress)
    return Causal(name, found, losses_as_it_is(halves), tokens), removal
