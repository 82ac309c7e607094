"""Runs that nobody trained, of sizes that ours do not have: routing and embeddings drawn at random.

A page takes them for runs of LIMoE without parameters. Chance is the hardest case for what is sent:
it cannot be packed well.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from limoe_core.config import Config
from limoe_core.presets import preset
from limoe_core.runs import Run
from limoe_core.trace import IMAGE, TEXT, Routers, RoutingTrace

_PIECES = 8
"""Of each text, all different words."""
_EMBEDDED = 32
"""Channels of an embedding; a map of two is drawn of them."""


@dataclass(frozen=True)
class Size:
    """Size of a run's routers, and of what they were shown."""

    layers: int = 48
    experts: int = 128
    top_k: int = 8
    side: int = 32
    """Patches along a side of a picture."""
    pairs: int = 12
    steps: tuple[int, ...] = (0, 1000, 2000)

    def __str__(self) -> str:
        return (
            f"{self.layers} MoE layers of {self.experts} experts, K = {self.top_k}, "
            f"{self.side**2:,} patches"
        )


def large_run(path: Path, size: Size) -> Run:
    """A run with probe traces of a few pairs, each with choices and weights, and pictures."""
    run = Run.create(path, _config(size), data={"name": "made up"})
    rng = np.random.default_rng(0)
    pixels = _config(size).model.image_size
    run.save_probe_pictures(np.stack([_picture(rng, pixels) for _ in range(size.pairs)]))
    for step in size.steps:
        run.save_probe(step, _trace(rng, size))
    return run


def points_run(path: Path, pairs: int) -> Run:
    """A run whose probe trace has embeddings of very many pairs: one patch and one piece each."""
    size = Size(layers=1, experts=8, top_k=1, side=1, pairs=pairs, steps=(0,))
    run = Run.create(path, _config(size), data={"name": "made up"})
    run.save_probe(0, _trace(np.random.default_rng(0), size, pieces=1))
    return run


def _config(size: Size) -> Config:
    config = preset("debug")
    model = dataclasses.replace(
        config.model,
        layers=size.layers,
        moe_every=1,
        moe_blocks=(),
        experts=size.experts,
        top_k=size.top_k,
        image_size=size.side * config.model.patch_size,
    )
    return dataclasses.replace(config, model=model)


def _trace(rng: np.random.Generator, size: Size, pieces: int = _PIECES) -> RoutingTrace:
    patches, count = size.side**2, size.pairs
    shape = (size.layers, count * (patches + pieces), size.top_k)
    tokens = shape[1]
    place = np.tile(np.arange(patches + pieces), count)
    of_text = place >= patches
    position = np.where(of_text, place - patches, place).astype(np.int32)
    patch_size = preset("debug").model.patch_size
    row, column = np.divmod(position, size.side)
    box = np.stack([column, row, column + 1, row + 1], axis=-1).astype(np.int32) * patch_size
    first = rng.integers(0, size.experts, shape[:2])
    step = rng.integers(1, max(2, size.experts // size.top_k), shape[:2])
    # All different, since no step reaches around.
    expert = (first[..., None] + step[..., None] * np.arange(size.top_k)) % size.experts
    gate = np.sort(rng.dirichlet(np.ones(size.top_k), shape[:2]), axis=-1)[..., ::-1]
    words = np.array([f"▁word{number}" for number in range(pieces)])
    centre = rng.standard_normal((8, _EMBEDDED))
    group = rng.integers(0, len(centre), count)
    routers = Routers(
        np.full(size.layers, size.experts, np.int32),
        tuple(f"block {layer + 1}" for layer in range(size.layers)),
        capacity_factor=_config(size).model.capacity_factor,
    )
    return RoutingTrace(
        routers=routers,
        layers=np.arange(1, size.layers + 1, dtype=np.int32),
        modality=np.where(of_text, TEXT, IMAGE).astype(np.uint8),
        pair=np.repeat(np.arange(count, dtype=np.int32), patches + pieces),
        position=position,
        piece=np.where(of_text, words[np.where(of_text, position, 0)], ""),
        box=np.where(of_text[:, None], np.int32(-1), box),
        probs=None,
        expert=expert.astype(np.uint16 if size.experts > 255 else np.uint8),
        gate=gate.astype(np.float16),
        dropped=np.zeros((shape[0], tokens, shape[2]), bool),
        captions=np.array([f"made-up pair {number}" for number in range(count)]),
        image_embeddings=_unit(centre[group] + rng.standard_normal((count, _EMBEDDED))),
        text_embeddings=_unit(centre[group] + rng.standard_normal((count, _EMBEDDED))),
        image_size=size.side * patch_size,
        grid=size.side,
        meta={
            "language": np.where(np.arange(count) % 2, "es", "en"),
            "category": np.array([f"group {number}" for number in group]),
        },
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _picture(rng: np.random.Generator, side: int) -> np.ndarray:
    few = Image.fromarray(rng.integers(0, 255, (5, 5, 3)).astype(np.uint8))
    return np.asarray(few.resize((side, side), Image.Resampling.BICUBIC))
