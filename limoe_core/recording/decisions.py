"""What a router's output says: logits, chosen experts and their weights.

Routers of transformers give these in one of three forms. A form reads them, and writes weights of 0
for choices that are to have no output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int

from limoe_core.recording.errors import RecordingError


@dataclass(frozen=True, eq=False)
class Decision:
    """A router's decision about n tokens; K choices among E experts."""

    logits: Float[torch.Tensor, "n E"]
    """As the library calls them; Gemma 4's are probabilities already."""
    choice: Int[torch.Tensor, "n K"]
    """Chosen experts, by falling weight."""
    weight: Float[torch.Tensor, "n K"]
    """Their weights in the layer's output."""


class Form(Protocol):
    """A way to give a decision."""

    def read(self, output: Any) -> Decision:
        """The decision."""
        ...

    def silenced(self, output: Any, expert: int, tokens: Bool[torch.Tensor, " n"]) -> Any:
        """The same output, in which an expert has the weight 0 for some tokens."""
        ...


@dataclass(frozen=True)
class Listed:
    """Logits (n, E), weights (n, K) and choices (n, K): most families."""

    logits_at: int
    weight_at: int
    choice_at: int

    def read(self, output: Any) -> Decision:
        return _sorted(output[self.logits_at], output[self.choice_at], output[self.weight_at])

    def silenced(self, output: Any, expert: int, tokens: Bool[torch.Tensor, " n"]) -> Any:
        off = tokens[:, None] & (output[self.choice_at] == expert)
        return _with(output, self.weight_at, output[self.weight_at].masked_fill(off, 0))


@dataclass(frozen=True)
class Spread:
    """Weights (n, E) that are 0 where an expert is not chosen, and logits (n, E): Llama 4."""

    weight_at: int
    logits_at: int
    top_k: int

    def read(self, output: Any) -> Decision:
        choice = torch.topk(output[self.weight_at], self.top_k, dim=-1).indices
        return _sorted(output[self.logits_at], choice, output[self.weight_at].gather(1, choice))

    def silenced(self, output: Any, expert: int, tokens: Bool[torch.Tensor, " n"]) -> Any:
        weights = output[self.weight_at].clone()
        weights[:, expert] = weights[:, expert].masked_fill(tokens, 0)
        return _with(output, self.weight_at, weights)


@dataclass(frozen=True)
class Grouped:
    """Choices sorted by expert, as JetMoE gives them.

    (order of the n·K choices, the token of each, their weights, choices of each expert, logits)
    """

    top_k: int

    def read(self, output: Any) -> Decision:
        order, _, weights, sizes, logits = output
        expert = torch.repeat_interleave(torch.as_tensor(sizes, device=order.device))
        choice, weight = torch.empty_like(order), torch.empty_like(weights)
        choice[order], weight[order] = expert, weights
        return _sorted(logits, choice.view(-1, self.top_k), weight.view(-1, self.top_k))

    def silenced(self, output: Any, expert: int, tokens: Bool[torch.Tensor, " n"]) -> Any:
        _, token, weights, sizes, _ = output
        chosen = torch.repeat_interleave(torch.as_tensor(sizes, device=token.device))
        return _with(output, 2, weights.masked_fill((chosen == expert) & tokens[token], 0))


def form_of(output: Any, module: Any, name: str, logits_at: int) -> Form:
    """The form of a router's output.

    Args:
      name: of the router, for people.
      logits_at: where its family says that the logits are.

    Raises:
      RecordingError: it is none that is known, as of routers that give their logits alone.
    """
    parts = list(output) if isinstance(output, tuple | list) else [output]
    top_k = getattr(module, "top_k", None)
    shapes = [tuple(part.shape) if isinstance(part, torch.Tensor) else None for part in parts]
    if len(parts) == 5 and logits_at == 4 and isinstance(parts[3], list) and top_k:
        return Grouped(top_k)
    tables = [at for at, shape in enumerate(shapes) if shape is not None and len(shape) == 2]
    if logits_at in tables:
        whole = [at for at in tables if at != logits_at and parts[at].is_floating_point()]
        indices = [at for at in tables if at != logits_at and not parts[at].is_floating_point()]
        if len(indices) == 1 and len(whole) == 1 and shapes[whole[0]] == shapes[indices[0]]:
            return Listed(logits_at, whole[0], indices[0])
        if len(parts) == 2 and whole and shapes[whole[0]] == shapes[logits_at] and top_k:
            return Spread(whole[0], logits_at, top_k)
    raise RecordingError(
        f"the router {name} ({type(module).__name__}) does not say which experts it chooses: it "
        f"gives {_described(parts)}; a newer transformers (5.21 and later) has routers that do"
    )


def _sorted(logits: torch.Tensor, choice: torch.Tensor, weight: torch.Tensor) -> Decision:
    order = torch.argsort(weight, dim=-1, descending=True, stable=True)
    return Decision(logits, choice.gather(1, order), weight.gather(1, order))


def _with(output: Any, at: int, part: torch.Tensor) -> tuple[Any, ...]:
    return tuple(part if place == at else other for place, other in enumerate(output))


def _described(parts: list[Any]) -> str:
    said = [
        f"{part.dtype} of {'×'.join(map(str, part.shape))}".removeprefix("torch.")
        if isinstance(part, torch.Tensor)
        else type(part).__name__
        for part in parts
    ]
    return ", ".join(said)
