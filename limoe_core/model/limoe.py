"""LIMoE: one Transformer tower for images and text.

Tokens of all pictures and captions lie in one flat array, pictures first: n = B·P + R·L, with a row
for each of the T captions, or fewer rows where captions lie side by side. What works on single
tokens (norms, MLPs, experts, routers) sees that array and is never told which modality a token has;
only attention unfolds it, since a token attends within its own sequence.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import LossConfig, ModelConfig
from limoe_core.model.block import Block
from limoe_core.model.layers import layer_norm, linear
from limoe_core.model.layout import Layout
from limoe_core.model.moe import MoE, Routing
from limoe_core.model.router import Intervention
from limoe_core.model.tower import run_tower
from limoe_core.precision import exact_float32
from limoe_core.roles import VECTOR, WEIGHT


class Output(NamedTuple):
    """The result of a forward pass."""

    image_embeddings: Float[Array, "B e"]
    """Unit vectors."""
    text_embeddings: Float[Array, "T e"]
    """Unit vectors; zeros for a text without tokens."""
    routings: list[Routing]
    """One per MoE layer, over the flat array of tokens; empty for a dense twin."""
    valid: Bool[Array, " n"]
    """False for padding."""
    modality: Int[Array, " n"]
    """0 for image tokens, 1 for text tokens."""
    hidden: list[Float[Array, "n d"]]
    """The input of each router."""


class LIMoE(nnx.Module):
    """The whole model. See `Output` for what it gives."""

    def __init__(
        self, config: ModelConfig, loss: LossConfig | None = None, *, rngs: nnx.Rngs
    ) -> None:
        loss = loss or LossConfig()
        self.config = config
        self.temperature_bounds = (loss.min_temperature, loss.max_temperature)
        d = config.width
        small = jax.nn.initializers.normal(0.02)
        self.patch_embedding = linear(
            3 * config.patch_size**2, d, dtype=config.dtype, role=WEIGHT, rngs=rngs
        )
        self.token_embedding = nnx.Embed(
            config.vocab_size,
            d,
            embedding_init=small,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
            embedding_metadata={"role": WEIGHT},
        )
        image_positions = small(rngs.params(), (config.patches, d), jnp.float32)
        text_positions = small(rngs.params(), (config.text_length, d), jnp.float32)
        self.image_positions = nnx.Param(image_positions, role=VECTOR)
        self.text_positions = nnx.Param(text_positions, role=VECTOR)
        self.blocks = nnx.List([Block(config, i, rngs=rngs) for i in range(config.layers)])
        self.norm = layer_norm(d, rngs=rngs)
        self.image_head = linear(d, config.embed_dim, use_bias=False, role=WEIGHT, rngs=rngs)
        self.text_head = linear(d, config.embed_dim, use_bias=False, role=WEIGHT, rngs=rngs)
        temperature = jnp.log(jnp.float32(loss.initial_temperature))
        self.log_temperature = nnx.Param(temperature, role=VECTOR)

    @property
    def temperature(self) -> Float[Array, ""]:
        """The learned temperature, which divides similarities."""
        return jnp.exp(self.log_temperature[...])

    def bound_temperature(self) -> None:
        """Clip the parameter and not its use, whose gradient would be 0 beyond the bounds."""
        low, high = map(math.log, self.temperature_bounds)
        self.log_temperature[...] = jnp.clip(self.log_temperature[...], low, high)

    def after_update(self, choices: list[Float[Array, "2 E"]]) -> None:
        """Change what the optimizer does not: the temperature's bounds, and what mixtures have.

        Args:
          choices: how often the step's tokens chose each expert, by modality; one per MoE layer.
        """
        self.bound_temperature()
        mixtures = [block.mlp for block in self.blocks if isinstance(block.mlp, MoE)]
        for mixture, of_layer in zip(mixtures, choices, strict=True):
            mixture.after_update(of_layer)

    def __call__(
        self,
        images: Float[Array, "B S S 3"],
        texts: Int[Array, "T L"],
        *,
        image_valid: Bool[Array, " B"] | None = None,
        patches: Int[Array, "B P"] | None = None,
        windows: Int[Array, "R L"] | None = None,
        capacity_factor: float | None = None,
        batch_priority: bool | None = None,
        noise: jax.Array | None = None,
        intervention: Intervention | None = None,
    ) -> Output:
        """Embed pictures and texts, all in one routing group. B or T may be 0.

        Args:
          images: pixels in [-1, 1].
          texts: token ids, 0 for padding.
          image_valid: False for pictures that only fill up a batch.
          patches: indices of the patches to see, for each picture; None for all of them.
          windows: how captions lie side by side, so that padding costs next to nothing: see
            `limoe_core.data.packing.pack_windows`. None gives each caption, and its padding, a row.
          capacity_factor: None for the one the model is trained with; 0 drops nothing.
          batch_priority: None for the configured one.
          noise: key of the routers' training noise; None for none.
          intervention: with a leading axis of MoE layers.
        """
        config = self.config
        if capacity_factor is None:
            capacity_factor = config.capacity_factor
        if batch_priority is None:
            batch_priority = config.batch_priority
        if image_valid is None:
            image_valid = jnp.ones(len(images), bool)
        seen = config.patches if patches is None else patches.shape[1]
        layout = Layout.of(texts, windows, image_valid, seen)
        image_tokens = self._embed_images(images, patches)
        text_tokens = self._embed_texts(texts, layout)
        x = jnp.concatenate([image_tokens.reshape(-1, config.width), text_tokens])
        x = x.astype(config.residual_dtype)

        kind = None
        if config.router == "hash":
            places = jnp.broadcast_to(jnp.arange(seen), (len(images), seen))
            places = (places if patches is None else patches).reshape(-1)
            kind = jnp.concatenate([places, config.patches + texts.reshape(-1)[layout.source]])

        x, seen_by_routers = run_tower(
            self.blocks,
            x,
            config,
            noise=noise,
            intervention=intervention,
            layout=layout,
            capacity_factor=capacity_factor,
            batch_priority=batch_priority,
            kind=kind,
        )
        image_out, text_out = self._pool(self.norm(x), layout)
        return Output(
            image_out,
            text_out,
            seen_by_routers.routings,
            layout.valid,
            layout.modality,
            seen_by_routers.hidden,
        )

    def _embed_images(
        self, images: Float[Array, "B S S 3"], patches: Int[Array, "B P"] | None
    ) -> Float[Array, "B P d"]:
        config = self.config
        b, g, p = images.shape[0], config.grid, config.patch_size
        pixels = images.reshape(b, g, p, g, p, 3).swapaxes(2, 3).reshape(b, g * g, p * p * 3)
        positions = jnp.broadcast_to(self.image_positions[...], (b, g * g, config.width))
        if patches is not None:
            pixels = jnp.take_along_axis(pixels, patches[..., None], axis=1)
            positions = self.image_positions[...][patches]
        return self.patch_embedding(pixels) + positions

    def _embed_texts(self, texts: Int[Array, "T L"], layout: Layout) -> Float[Array, "RL d"]:
        position = layout.source % max(texts.shape[1], 1)
        of_piece = self.token_embedding(texts.reshape(-1)[layout.source])
        return of_piece + self.text_positions[...][position]

    @exact_float32()
    def _pool(
        self, x: Float[Array, "n d"], layout: Layout
    ) -> tuple[Float[Array, "B e"], Float[Array, "T e"]]:
        """Mean over the real tokens of each sequence, projected, at unit length."""
        images, rows = layout.split(x.astype(jnp.float32))
        texts = layout.captions(rows)
        mask = layout.text_valid[..., None]
        total = jnp.sum(jnp.where(mask, texts, 0.0), axis=1)
        text_mean = total / jnp.maximum(jnp.sum(mask, axis=1), 1)
        some = jnp.any(mask, axis=1)
        return (
            _unit(self.image_head(jnp.mean(images, axis=1))),
            jnp.where(some, _unit(self.text_head(text_mean)), 0.0),
        )


def _unit(x: Float[Array, "b e"]) -> Float[Array, "b e"]:
    """Rows at unit length; the small constant keeps the gradient of a zero row finite."""
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)
