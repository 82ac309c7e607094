"""The sparse mixture-of-experts layer: router, capacity, dispatch, experts, combine."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from limoe_core.config import ModelConfig
from limoe_core.devices.mesh import EXPERT, constrain
from limoe_core.model.assignment import Assignment, assign_choices, capacity, capacity_of
from limoe_core.model.dispatch import Dispatch
from limoe_core.model.experts import ExpertWeights
from limoe_core.model.layers import MLP
from limoe_core.model.router import (
    Intervention,
    Router,
    balancing_bias,
    rebalanced,
    router_weights,
)
from limoe_core.roles import EXPERT_MATRIX, EXPERT_VECTOR


class Routing(NamedTuple):
    """One router's decisions about every token of its group."""

    logits: Float[Array, "n E"]
    """W_g x, without noise."""
    noisy_logits: Float[Array, "n E"]
    """The logits of the gates: with training noise, or with an intervention's bias."""
    assignment: Assignment
    gate: Float[Array, "n K"]
    """Weight of each choice in the layer's output, before any drop."""

    @property
    def probs(self) -> Float[Array, "n E"]:
        """The gate distribution p(e|x) = softmax(W_g x), without noise."""
        return jax.nn.softmax(self.logits, axis=-1)


class MoE(nnx.Module):
    """E expert MLPs, the router that sends each token to its top K of them, and a shared one."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        experts, d, hidden = config.experts, config.width, config.expert_hidden
        self.config = config
        dense = jax.nn.initializers.variance_scaling(
            1.0, "fan_in", "truncated_normal", in_axis=-2, out_axis=-1, batch_axis=0
        )
        self.router = router_weights(config, rngs)
        w_in = dense(rngs.params(), (experts, d, hidden), jnp.float32)
        w_out = dense(rngs.params(), (experts, hidden, d), jnp.float32)
        self.w_in = nnx.Param(w_in, role=EXPERT_MATRIX)
        self.b_in = nnx.Param(jnp.zeros((experts, hidden), jnp.float32), role=EXPERT_VECTOR)
        self.w_out = nnx.Param(w_out, role=EXPERT_MATRIX)
        self.b_out = nnx.Param(jnp.zeros((experts, d), jnp.float32), role=EXPERT_VECTOR)
        self.balance = balancing_bias(config)
        self.shared = MLP(config, config.shared_dim, rngs=rngs) if config.shared_dim else None

    def __call__(
        self,
        x: Float[Array, "n d"],
        valid: Bool[Array, " n"],
        modality: Int[Array, " n"],
        *,
        capacity_factor: float,
        batch_priority: bool,
        noise: jax.Array | None = None,
        intervention: Intervention | None = None,
        kind: Int[Array, " n"] | None = None,
    ) -> tuple[Float[Array, "n d"], Routing]:
        """The layer's output, to be added to the residual, and what the router decided.

        Args:
          x: tokens, images and text together.
          valid: False for padding, whose output is 0.
          modality: 0 for image tokens, 1 for text tokens; see `Router`.
          capacity_factor: see `capacity`; 0 gives every expert room for every token.
          batch_priority: see `assign`.
          noise: key of the training noise; None for no noise.
          intervention: one layer's, without the leading axis.
          kind: see `Router`.
        """
        config = self.config
        decision = self._router(x, modality, noise, intervention, kind)
        slots, room = self._room(valid, capacity_factor)
        priority = decision.priority if batch_priority else None
        assignment, queues = assign_choices(decision.choice, priority, valid, config.experts, room)
        dispatch = Dispatch.of(config, assignment, queues, slots, room)
        sent = dispatch.send(x.astype(config.dtype))
        out = dispatch.experts_on(sent, self._expert_weights())
        y = dispatch.combine(out, jnp.where(assignment.kept, decision.weight, 0.0))
        if self.shared is not None:
            y = y + jnp.where(valid[:, None], self.shared(x), 0)
        return y, Routing(decision.logits, decision.noisy_logits, assignment, decision.gate)

    def after_update(self, choices: Float[Array, "2 E"]) -> None:
        """Change what the optimizer does not: the bias of loss-free balancing."""
        if self.balance is not None:
            self.balance[...] = rebalanced(self.balance[...], choices, self.config)

    @property
    def _router(self) -> Router:
        balance = None if self.balance is None else self.balance[...]
        return Router(self.config, self.router[...], balance)

    def _room(self, valid: Bool[Array, " n"], factor: float) -> tuple[int, int | Int[Array, ""]]:
        """Slots of a buffer, as many as if no token were padding, and those that may be used."""
        config, n = self.config, len(valid)
        if not factor:
            return n, n
        slots = capacity(n, config.top_k, factor, config.experts)
        return slots, capacity_of(jnp.sum(valid), config.top_k, factor, config.experts, slots)

    def _expert_weights(self) -> ExpertWeights:
        """In the arithmetic that the experts run in; whole along `data`, as linear layers' are."""
        parameters = (self.w_in, self.b_in, self.w_out, self.b_out)
        cast = (w[...].astype(self.config.dtype) for w in parameters)
        return ExpertWeights(*(constrain(w, PartitionSpec(EXPERT)) for w in cast))
