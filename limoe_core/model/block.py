"""The encoder block: attention within each sequence, then an MLP or a mixture of experts."""

from __future__ import annotations

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from limoe_core.config import ModelConfig
from limoe_core.model.attention import Attention
from limoe_core.model.layers import MLP, layer_norm
from limoe_core.model.layout import Layout
from limoe_core.model.moe import MoE, Routing
from limoe_core.model.router import Intervention


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
