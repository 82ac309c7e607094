"""A trace of a model that is not LIMoE: all that format 2 has and format 1 has not."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.special import expit

from limoe_core.trace import Pictures, Routers, RoutingTrace

#: Rows and columns of each pair's pictures.
GRIDS = (((2, 3),), ((3, 2), (1, 4)), ())
KINDS = ("image", "text", "special", "system")
_WORDS = ("▁a", "▁red", "▁apple", "s", "▁pie")


def other_trace(seed: int = 0, *, scores: bool = True, weights: bool = True) -> RoutingTrace:
    """Three pairs in a model with two routers a block, of 6 and of 4 experts, K = 3 and 2.

    Sigmoid routers that choose with a bias; the first router of a block has experts for one
    modality by design, and leaves system tokens alone. The second pair has two pictures, the third
    none.
    """
    rng = np.random.default_rng(seed)
    pair: list[int] = []
    kind: list[str] = []
    picture: list[int] = []
    position: list[int] = []
    table: list[tuple[int, int, int]] = []
    for number, grids in enumerate(GRIDS):
        at = 0

        def add(*names: str, number: int = number) -> None:
            nonlocal at
            for name in names:
                pair.append(number)
                kind.append(name)
                picture.append(-1)
                position.append(at)
                at += 1

        add("system", "special")
        for rows, columns in grids:
            for cell in range(rows * columns):
                pair.append(number)
                kind.append("image")
                picture.append(len(table))
                position.append(cell)
            table.append((number, rows, columns))
            add("special")
        add(*["text"] * int(rng.integers(3, 7)))
    tokens, experts = len(pair), np.array([6, 4, 6, 4], np.int32)
    names = np.array(kind)
    reachable = np.zeros((4, len(KINDS), 6), bool)
    for router, count in enumerate(experts):
        reachable[router, :, :count] = True
    for router in (0, 2):
        reachable[router, 0, :3] = False  # pictures have experts 3 to 5, texts 0 to 2
        reachable[router, 1:, 3:] = False
    logits = rng.normal(size=(4, tokens, 6)) * 2
    score = expit(logits)
    codes = np.array([KINDS.index(name) for name in kind])
    score[~reachable[:, codes]] = 0
    bias = rng.normal(size=(4, 6)) * 0.2
    ranked = np.where(reachable[:, codes], score + bias[:, None], -np.inf)
    expert = np.argsort(-ranked, axis=-1)[..., :3].astype(np.int16)
    expert[1::2, :, 2] = -1  # K = 2
    expert[0::2, names == "system"] = -1
    gate = np.where(expert >= 0, np.take_along_axis(score, expert.clip(0).astype(int), -1), 0)
    gate = gate / np.maximum(gate.sum(axis=-1, keepdims=True), 1e-9) * 2.5
    return RoutingTrace.of(
        expert,
        np.array(pair),
        kind,
        ["a red apple", "apples and pie", "a pie"],
        Routers(
            experts=experts,
            names=tuple(f"block {1 + r // 2}, {('attention', 'mlp')[r % 2]}" for r in range(4)),
            scoring="sigmoid, chosen with a bias",
            scaling=2.5,
            capacity_factor=0.0,
            reachable=reachable,
            bias=bias.astype(np.float32),
        ),
        position=np.array(position, np.int32),
        picture=np.array(picture, np.int32),
        pictures=Pictures(
            *np.array([(n, r, c, 8 * c, 8 * r) for n, r, c in table], np.int32).T,
            content=tuple(_png(8 * c, 8 * r, seed) for _, r, c in table),
        ),
        piece=np.array(
            [
                _WORDS[rng.integers(5)] if k == "text" else "" if k == "image" else f"<{k}>"
                for k in kind
            ]
        ),
        probs=score.astype(np.float16) if scores else None,
        gate=gate.astype(np.float16) if weights else None,
        meta={"category": np.array(["fruit", "food", "food"])},
        made_by={"library": "a library", "version": "1", "model": "org/a-model"},
    )


def _png(width: int, height: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
