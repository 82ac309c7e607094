"""The encoder block: attention within each sequence, then an MLP or a mixture of experts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import ModelConfig
from limoe_core.model.layers import MLP, layer_norm, linear
from limoe_core.model.layout import Layout
from limoe_core.model.moe import MoE, Routing
from limoe_core.model.router import Intervention


class Attention(nnx.Module):
    """Multi-head self-attention within each sequence; the same weights for both modalities."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.heads = config.heads
        self.qkv = linear(config.width, 3 * config.width, dtype=config.dtype, rngs=rngs)
        self.out = linear(config.width, config.width, dtype=config.dtype, rngs=rngs)

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


class Block(nnx.Module):
    """Pre-norm encoder block; its MLP is a mixture of experts in the blocks that hold one."""

    def __init__(self, config: ModelConfig, index: int, *, rngs: nnx.Rngs) -> None:
        hidden = config.expert_hidden if index in config.expert_blocks else config.mlp_dim
        self.norm_attention = layer_norm(config.width, rngs=rngs)
        self.attention = Attention(config, rngs=rngs)
        self.norm_mlp = layer_norm(config.width, rngs=rngs)
        sparse = index in config.moe_layers
        self.mlp: MoE | MLP = MoE(config, rngs=rngs) if sparse else MLP(config, hidden, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "n d"],
        layout: Layout,
        *,
        capacity_factor: float,
        batch_priority: bool,
        noise: jax.Array | None = None,
        intervention: Intervention | None = None,
        kind: Int[Array, " n"] | None = None,
    ) -> tuple[Float[Array, "n d"], Routing | None, Float[Array, "n d"] | None]:
        """The tokens after the block; and of a mixture, what its router decided and saw.

        The arguments after the layout are the mixture's: see `MoE`.
        """
        x = x + self.attention(self.norm_attention(x), layout)
        seen = self.norm_mlp(x)
        if isinstance(self.mlp, MLP):
            return x + self.mlp(seen), None, None
        y, routing = self.mlp(
            seen,
            layout.valid,
            layout.modality,
            capacity_factor=capacity_factor,
            batch_priority=batch_priority,
            noise=noise,
            intervention=intervention,
            kind=kind,
        )
        return x + y, routing, seen
