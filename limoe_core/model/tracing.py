"""Routing traces from what a forward pass gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy.special import softmax

from limoe_core.config import Config, ModelConfig
from limoe_core.model.limoe import Output
from limoe_core.tokenizer import EncodedText
from limoe_core.trace import IMAGE, TEXT, Routers, RoutingTrace


def patch_boxes(config: ModelConfig) -> Int[np.ndarray, "patches 4"]:
    """Where each patch lies, row by row: left, top, right, bottom in pixels of the input."""
    rows, columns = np.divmod(np.arange(config.patches), config.grid)
    corners = np.stack([columns, rows, columns + 1, rows + 1], axis=1)
    return (corners * config.patch_size).astype(np.int32)


def to_trace(
    output: Output,
    config: Config,
    image_valid: Bool[np.ndarray, " n"],
    encoded: Sequence[EncodedText],
    texts: Sequence[str],
    meta: Mapping[str, Sequence[str]],
    hidden: bool,
    capacity_factor: float,
) -> RoutingTrace:
    """The routers' decisions about the real tokens of `texts` and their pictures.

    Args:
      output: of a forward pass over at least those pairs, with whole pictures and a row a caption.
      image_valid: False for pairs without a picture.
      encoded: the texts' tokens, as the tokenizer gives them.
      meta: what else is known of each pair.
      hidden: keep the routers' inputs.
      capacity_factor: what they were routed with; 0 for no limit.
    """
    model = config.model
    pairs, patches, length = len(texts), model.patches, model.text_length
    filled = len(output.image_embeddings)
    # Where the real tokens lie in the flat array, pair by pair, patches before pieces.
    rows: list[Int[np.ndarray, " t"]] = []
    for pair in range(pairs):
        if image_valid[pair]:
            rows.append(pair * patches + np.arange(patches))
        start = filled * patches + pair * length
        rows.append(start + np.arange(len(encoded[pair].ids)))
    where = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    is_text = where >= filled * patches
    offset = where - filled * patches
    pair_of = np.where(is_text, offset // length, where // patches).astype(np.int32)
    position = np.where(is_text, offset % length, where % patches).astype(np.int32)
    boxes = patch_boxes(model)
    pieces = [
        encoded[pair].pieces[place] if text else ""
        for pair, place, text in zip(pair_of, position, is_text, strict=True)
    ]
    routings = output.routings
    experts, k = max(model.experts, 1), model.top_k

    def stack(values: Sequence[Any], *tail: int) -> np.ndarray:
        if not values:  # a dense twin has no routers
            return np.zeros((0, len(where), *tail), np.float32)
        return np.stack([np.asarray(value)[where] for value in values])

    logits = stack([routing.logits for routing in routings], experts)
    return RoutingTrace(
        layers=np.array(model.moe_layers, np.int32) + 1,
        modality=np.where(is_text, TEXT, IMAGE).astype(np.uint8),
        pair=pair_of,
        position=position,
        piece=np.array(pieces, dtype=np.str_),
        box=np.where(is_text[:, None], -1, boxes[np.minimum(position, patches - 1)]).astype(
            np.int32
        ),
        probs=softmax(logits, axis=-1),
        expert=stack([r.assignment.expert for r in routings], k).astype(np.int16),
        gate=stack([r.gate for r in routings], k),
        dropped=~stack([r.assignment.kept for r in routings], k).astype(bool),
        captions=np.array(list(texts), dtype=np.str_),
        image_embeddings=np.where(
            image_valid[:, None], output.image_embeddings[:pairs], 0.0
        ).astype(np.float32),
        text_embeddings=np.asarray(output.text_embeddings[:pairs], np.float32),
        image_size=model.image_size,
        grid=model.grid,
        meta={key: np.array(list(values), dtype=np.str_) for key, values in meta.items()},
        hidden=stack(list(output.hidden), model.width) if hidden else None,
        routers=Routers(
            experts=np.full(len(model.moe_layers), experts, np.int32),
            names=tuple(f"block {block + 1}" for block in model.moe_layers),
            capacity_factor=float(capacity_factor),
        ),
    )
