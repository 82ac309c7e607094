"""The routing group: the tokens that competed for the same slots."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from app.parts.messages import counted
from limoe_core.trace import RoutingTrace


@dataclass(frozen=True, eq=False)
class Group:
    """The tokens that a pair was routed with, and the capacity they shared."""

    pairs: int
    tokens: int
    """Real tokens of the group (n)."""
    top_k: int
    experts: int
    factor: float | None
    """Capacity factor; 0 for no limit, None where it is not known."""
    load: Integer[np.ndarray, "L E"]
    """Slots filled in each expert's buffer."""
    step: int

    @classmethod
    def of(cls, trace: RoutingTrace, factor: float | None, step: int) -> Group:
        """The group that consists of all tokens of `trace`."""
        layers, _, choices = trace.expert.shape
        kept = ~trace.dropped & trace.chose
        load = np.zeros((layers, trace.num_experts), np.int64)
        for layer in range(layers):
            chosen = trace.expert[layer][kept[layer]]
            load[layer] = np.bincount(chosen, minlength=trace.num_experts)
        pairs, tokens = trace.num_pairs, trace.num_tokens
        return cls(pairs, tokens, choices, trace.num_experts, factor, load, step)

    @property
    def capacity(self) -> int | None:
        """Most tokens that an expert takes, ⌈K · n · factor / E⌉; None without a limit."""
        if not self.factor:
            return None
        # As in the router: a product that comes out as 6.0000001 counts as 6.
        share = self.top_k * self.tokens * self.factor / self.experts
        return max(1, min(self.tokens, math.ceil(share * (1 - 1e-6))))

    @property
    def sentence(self) -> str:
        """The group in words: who competed for how many slots."""
        tokens = counted(self.tokens, "token")
        bars = "Bars below the experts: choices of all recorded pairs."
        if self.factor is None:
            return f"Step {self.step:,}. Whether experts had a limit is not recorded. {bars}"
        if not self.factor and self.pairs > 1:
            return f"Step {self.step:,}. No token is dropped: experts have no capacity. {bars}"
        if self.pairs == 1:
            who = f"Routed alone: its {tokens} competed only with each other"
        else:
            who = (
                f"Routed as one group of {self.pairs} pairs: {tokens}, images and text together, "
                "competed for the same slots of the experts"
            )
        if self.capacity is None:
            room = "Capacity is unlimited, as when the model is used, so no token is dropped"
        else:
            room = (
                f"In each layer an expert takes at most {counted(self.capacity, 'token')}: its "
                f"capacity C = ⌈K · n · factor / E⌉ = ⌈{self.top_k} · {self.tokens:,} · "
                f"{self.factor:g} / {self.experts}⌉"
            )
        return (
            f"Step {self.step:,}. {who}. {room}. Bars below the experts: slots "
            "filled by the whole group."
        )
