"""LIMoE: one Transformer tower for images and text.

Tokens of all pictures and captions lie in one flat array, pictures first: n = B·P + R·L, with a row
for each of the T captions, or fewer rows where captions lie side by side. What works on single
tokens (norms, MLPs, experts, routers) sees that array and is never told which modality a token has;
only attention unfolds it, since a token attends within its own sequence.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import LossConfig, ModelConfig
from limoe_core.model.dispatch import gather_rows
from limoe_core.model.moe import Intervention, MoE, Routing


class Output(NamedTuple):
    """What a forward pass gives."""

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
    """What each router saw."""


class Layout(NamedTuple):
    """How the flat array of tokens is made up: pictures first, then rows of L text slots.

    Without packing, each row is one caption and its padding, so R = T. With it, a row is a window
    that holds several captions (`limoe_core.data.packing`).
    """

    images: int
    patches: int
    valid: Bool[Array, " n"]
    modality: Int[Array, " n"]
    caption: Int[Array, "R L"]
    """Which caption a text slot belongs to; T for padding."""
    slot_of_place: Int[Array, " TL"] | None
    """Where, in R·L, the text token of each of the T·L places lies; R·L for padding. None without
    packing."""
    place_of_slot: Int[Array, " RL"] | None
    """Its inverse."""
    text_valid: Bool[Array, "T L"]

    @property
    def image_tokens(self) -> int:
        return self.images * self.patches

    def split(self, x: Float[Array, "n d"]) -> tuple[Float[Array, "B P d"], Float[Array, "R L d"]]:
        """The flat array unfolded into pictures and rows of text."""
        d = x.shape[-1]
        images, texts = x[: self.image_tokens], x[self.image_tokens :]
        return (
            images.reshape(self.images, self.patches, d),
            texts.reshape(*self.caption.shape, d),
        )

    def join(
        self, images: Float[Array, "B P d"], texts: Float[Array, "R L d"]
    ) -> Float[Array, "n d"]:
        """The inverse of `split`."""
        d = images.shape[-1]
        return jnp.concatenate([images.reshape(-1, d), texts.reshape(-1, d)])

    def captions(self, texts: Float[Array, "R L d"]) -> Float[Array, "T L d"]:
        """Rows of text as one row a caption."""
        if self.slot_of_place is None:
            return texts
        d = texts.shape[-1]
        apart = gather_rows(texts.reshape(-1, d), self.slot_of_place, self.place_of_slot)
        return apart.reshape(*self.text_valid.shape, d)


class Attention(nnx.Module):
    """Multi-head self-attention within each sequence; the same weights for both modalities."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.heads = config.heads
        dtype = jnp.dtype(config.dtype)
        self.qkv = nnx.Linear(config.width, 3 * config.width, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(config.width, config.width, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n d"], layout: Layout) -> Float[Array, "n d"]:
        images, texts = layout.split(self.qkv(x))
        # Padding attends to padding, so that no softmax is over nothing.
        same = layout.caption[:, :, None] == layout.caption[:, None, :]
        return self.out(layout.join(self._attend(images), self._attend(texts, same[:, None])))

    def _attend(
        self, qkv: Float[Array, "b s c"], mask: Bool[Array, "b 1 s s"] | None = None
    ) -> Float[Array, "b s d"]:
        b, s, c = qkv.shape
        if b == 0:
            return jnp.zeros((0, s, c // 3), qkv.dtype)
        q, k, v = jnp.moveaxis(qkv.reshape(b, s, 3, self.heads, -1), 2, 0)
        return jax.nn.dot_product_attention(q, k, v, mask=mask).reshape(b, s, c // 3)


class MLP(nnx.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        dtype = jnp.dtype(config.dtype)
        self.w_in = nnx.Linear(config.width, config.mlp_dim, dtype=dtype, rngs=rngs)
        self.w_out = nnx.Linear(config.mlp_dim, config.width, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        return self.w_out(jax.nn.gelu(self.w_in(x)))


class Block(nnx.Module):
    """Pre-norm encoder block; its MLP is a mixture of experts in the blocks that hold one."""

    def __init__(self, config: ModelConfig, *, sparse: bool, rngs: nnx.Rngs) -> None:
        self.norm_attention = nnx.LayerNorm(config.width, rngs=rngs)
        self.attention = Attention(config, rngs=rngs)
        self.norm_mlp = nnx.LayerNorm(config.width, rngs=rngs)
        self.mlp: MoE | MLP = MoE(config, rngs=rngs) if sparse else MLP(config, rngs=rngs)


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
        dtype = jnp.dtype(config.dtype)
        self.patch_embedding = nnx.Linear(3 * config.patch_size**2, d, dtype=dtype, rngs=rngs)
        self.token_embedding = nnx.Embed(
            config.vocab_size, d, embedding_init=small, dtype=dtype, rngs=rngs
        )
        self.image_positions = nnx.Param(small(rngs.params(), (config.patches, d), jnp.float32))
        self.text_positions = nnx.Param(small(rngs.params(), (config.text_length, d), jnp.float32))
        self.blocks = nnx.List(
            [Block(config, sparse=i in config.moe_layers, rngs=rngs) for i in range(config.layers)]
        )
        self.norm = nnx.LayerNorm(d, rngs=rngs)
        self.image_head = nnx.Linear(d, config.embed_dim, use_bias=False, rngs=rngs)
        self.text_head = nnx.Linear(d, config.embed_dim, use_bias=False, rngs=rngs)
        self.log_temperature = nnx.Param(jnp.log(jnp.float32(loss.initial_temperature)))

    @property
    def temperature(self) -> Float[Array, ""]:
        """The learned temperature, within its bounds."""
        low, high = self.temperature_bounds
        return jnp.clip(jnp.exp(self.log_temperature[...]), low, high)

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
        x, layout = self._embed(images, texts, image_valid, patches, windows)

        routings: list[Routing] = []
        hidden: list[Array] = []
        for index, block in enumerate(self.blocks):
            layer = len(routings)
            here = intervention
            if here is not None and isinstance(block.mlp, MoE):
                here = Intervention(here.bias[layer], here.silence[layer])
            key = None if noise is None else jax.random.fold_in(noise, index)

            def run(block: Block, x: Array, key=key, here=here):
                x = x + block.attention(block.norm_attention(x), layout)
                seen = block.norm_mlp(x)
                if isinstance(block.mlp, MLP):
                    return x + block.mlp(seen), None, None
                y, routing = block.mlp(
                    seen,
                    layout.valid,
                    layout.modality,
                    capacity_factor=capacity_factor,
                    batch_priority=batch_priority,
                    noise=key,
                    intervention=here,
                )
                return x + y, routing, seen

            x, routing, seen = (nnx.remat(run) if config.remat else run)(block, x)
            if routing is not None:
                routings.append(routing)
                hidden.append(seen)

        image_out, text_out = self._pool(self.norm(x), layout)
        return Output(image_out, text_out, routings, layout.valid, layout.modality, hidden)

    def _embed(
        self,
        images: Float[Array, "B S S 3"],
        texts: Int[Array, "T L"],
        image_valid: Bool[Array, " B"] | None,
        patches: Int[Array, "B P"] | None,
        windows: Int[Array, "R L"] | None,
    ) -> tuple[Float[Array, "n d"], Layout]:
        config = self.config
        b, g, p = images.shape[0], config.grid, config.patch_size
        pixels = images.reshape(b, g, p, g, p, 3).swapaxes(2, 3).reshape(b, g * g, p * p * 3)
        positions = jnp.broadcast_to(self.image_positions[...], (b, g * g, config.width))
        if patches is not None:
            pixels = jnp.take_along_axis(pixels, patches[..., None], axis=1)
            positions = self.image_positions[...][patches]
        image_tokens = self.patch_embedding(pixels) + positions
        seen = image_tokens.shape[1]
        places = jnp.arange(texts.size).reshape(texts.shape) if windows is None else windows
        length = max(texts.shape[1], 1)
        where = jnp.minimum(places, texts.size - 1).reshape(-1)
        text_slots = (places < texts.size).reshape(-1) & (texts.reshape(-1)[where] != 0)
        text_tokens = self.token_embedding(texts.reshape(-1)[where])
        text_tokens = text_tokens + self.text_positions[...][where % length]
        if image_valid is None:
            image_valid = jnp.ones(b, bool)
        x = jnp.concatenate([image_tokens.reshape(-1, config.width), text_tokens])
        valid = jnp.concatenate([jnp.repeat(image_valid, seen), text_slots])
        modality = (jnp.arange(x.shape[0]) >= b * seen).astype(jnp.int32)
        caption = jnp.where(text_slots, where // length, texts.shape[0]).reshape(places.shape)
        slot_of_place = None
        if windows is not None:
            slots = jnp.arange(windows.size, dtype=jnp.int32)
            slot_of_place = jnp.full(texts.size, windows.size, jnp.int32)
            slot_of_place = slot_of_place.at[windows.reshape(-1)].set(slots, mode="drop")
        layout = Layout(
            images=b,
            patches=seen,
            valid=valid,
            modality=modality,
            caption=caption,
            slot_of_place=slot_of_place,
            place_of_slot=None if windows is None else windows.reshape(-1),
            text_valid=texts != 0,
        )
        return x, layout

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
