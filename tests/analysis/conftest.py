"""Random traces, built by hand, for checks against plain loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from limoe_core.trace import RoutingTrace

CATEGORIES = np.array(["Food & Drink", "Animals & Nature", "Flags"])
WORDS = [["▁red", "▁app", "le"], ["▁gat", "o"], ["▁リンゴ"], ["▁кот", "▁и", "▁дом"]]


def make_trace(
    seed: int = 0,
    *,
    pairs: int = 8,
    layers: int = 2,
    experts: int = 4,
    top_k: int = 1,
    grid: int = 2,
    hidden: bool = False,
    sharpness: float = 1.0,
) -> RoutingTrace:
    """A trace of made-up tokens: `sharpness` scales the routing logits."""
    rng = np.random.default_rng(seed)
    modality, pair, position, piece = [], [], [], []
    for index in range(pairs):
        words = WORDS[index % len(WORDS)]
        modality += [0] * grid**2 + [1] * len(words)
        pair += [index] * (grid**2 + len(words))
        position += list(range(grid**2)) + list(range(len(words)))
        piece += [""] * grid**2 + words
    tokens = len(modality)
    logits = sharpness * rng.normal(size=(layers, tokens, experts))
    probs = np.exp(logits - logits.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    expert = np.argsort(-probs, axis=-1, kind="stable")[..., :top_k].astype(np.int16)
    side = 8
    rows, columns = np.divmod(np.array(position), grid)
    box = np.stack([columns, rows, columns + 1, rows + 1], -1) * side
    box[np.array(modality) == 1] = -1
    embeddings = rng.normal(size=(2, pairs, 6))
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return RoutingTrace(
        layers=np.arange(2, 2 * layers + 2, 2, dtype=np.int32),
        modality=np.array(modality, np.uint8),
        pair=np.array(pair, np.int32),
        position=np.array(position, np.int32),
        piece=np.array(piece),
        box=box.astype(np.int32),
        probs=probs,
        expert=expert,
        gate=np.take_along_axis(probs, expert.astype(int), -1),
        dropped=rng.random((layers, tokens, top_k)) < 0.1,
        captions=np.array(["".join(WORDS[i % len(WORDS)]).strip("▁") for i in range(pairs)]),
        image_embeddings=embeddings[0].astype(np.float32),
        text_embeddings=embeddings[1].astype(np.float32),
        image_size=grid * side,
        grid=grid,
        meta={
            "category": CATEGORIES[rng.integers(3, size=pairs)],
            "language": np.array(["en", "es", "ja", "ru"])[np.arange(pairs) % 4],
            "concept": np.array([f"concept{i}" for i in range(pairs)]),
        },
        hidden=rng.normal(size=(layers, tokens, 5)).astype(np.float32) if hidden else None,
    )


@pytest.fixture
def trace_of() -> Callable[..., RoutingTrace]:
    return make_trace


@pytest.fixture
def trace() -> RoutingTrace:
    return make_trace()
