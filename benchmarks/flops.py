"""Matrix products that a training step needs, counted from its settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from benchmarks.machine import Product
from benchmarks.training import Tokens
from limoe_core.config import Config, ModelConfig
from limoe_core.model.functional import FunctionalModel
from limoe_core.training.muon import STEPS
from limoe_core.training.optimizer import takes_muon


def total(products: Iterable[Product]) -> float:
    """Total FLOPs of the products."""
    return math.fsum(product.flops for product in products)


def linear_products(
    model: ModelConfig, tokens: int, kept: Sequence[float] | None = None
) -> list[Product]:
    """Forward products of tokens with weight matrices, in all blocks.

    Args:
      model: sizes of the model.
      tokens: real tokens of the batch, image and text together.
      kept: for each mixture-of-experts layer, the share of its tokens' choices that an expert
        took; None for all. Empty slots of buffers are not counted.
    """
    d = model.width
    found = [
        Product(tokens, d, 3 * d, times=model.layers),
        Product(tokens, d, d, times=model.layers),
    ]
    kept = [1.0] * len(model.moe_layers) if kept is None else kept
    special = len(model.expert_blocks)
    of_experts = model.top_k * math.fsum(kept) if model.experts else special
    widths = {model.mlp_dim: 0.0, model.expert_hidden: 0.0, model.shared_dim: 0.0}
    widths[model.mlp_dim] += model.layers - special
    widths[model.expert_hidden] += of_experts
    widths[model.shared_dim] += len(model.moe_layers)
    for hidden, passes in widths.items():
        if hidden and passes:
            found += [
                Product(tokens, d, hidden, times=passes),
                Product(tokens, hidden, d, times=passes),
            ]
    if model.experts:
        found.append(Product(tokens, d, model.experts, times=len(model.moe_layers)))
    return found


def forward_products(
    model: ModelConfig, tokens: Tokens, kept: Sequence[float] | None = None
) -> list[Product]:
    """Products of a forward pass and its contrastive loss, without padding.

    The patch embedding, the blocks, the heads, and one similarity matrix for each set of captions.
    """
    d, images, texts = model.width, tokens.pictures, len(tokens.texts)
    # Scores and weighted sums: each a product of s×s×d over all heads of a sequence.
    lengths, counts = np.unique(tokens.texts, return_counts=True)
    sequences = [(tokens.patches, images), *zip(lengths.tolist(), counts.tolist(), strict=True)]
    attention = [
        Product(length, d // model.heads, length, model.heads * count, 2 * model.layers)
        for length, count in sequences
        if length
    ]
    return [
        Product(tokens.images, 3 * model.patch_size**2, d),
        *linear_products(model, tokens.total, kept),
        *attention,
        Product(images, d, model.embed_dim),
        Product(texts, d, model.embed_dim),
        Product(images, model.embed_dim, images, times=texts / images),
    ]


def training_flops(
    model: ModelConfig, tokens: Tokens, kept: Sequence[float] | None = None
) -> float:
    """FLOPs of a forward and backward pass: three times the forward pass.

    Each product has two in the backward pass, except the patch embedding, since pixels need no
    gradient. Recomputation, augmentation and elementwise work do not count.
    """
    forward = forward_products(model, tokens, kept)
    return 3 * total(forward) - forward[0].flops


def muon_flops(config: Config) -> float:
    """FLOPs of the products with which Muon orthogonalises its updates; 0 for AdamW."""
    if config.optimizer.name != "muon":
        return 0.0
    functional = FunctionalModel.of(config)
    shapes, takes = functional.shapes, takes_muon(functional.roles)
    products: list[Product] = []
    for leaf, taken in zip(jax.tree.leaves(shapes), jax.tree.leaves(takes(shapes)), strict=True):
        if taken:
            *stacked, rows, columns = leaf.shape
            short, long = sorted((rows, columns))
            # Of each step: the Gram matrix, its square, and the polynomial of both times x.
            sizes = [(short, long, short), (short, short, short), (short, short, long)]
            count = math.prod(stacked) * STEPS
            products += [Product(*size, times=count) for size in sizes]
    return total(products)
