"""Forward hooks that change what a router decides about some tokens.

An expert that is off has the logit -inf, and its tokens go to the best of the others. A silent one
is chosen as before, with the weight 0. A forced one takes the place of the last choice, with the
weight that the router's own rule gives it. The router's own code does the rest, so that its
groups, biases and scaling hold for whatever it then chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool
from torch.overrides import TorchFunctionMode

from limoe_core.recording.decisions import form_of
from limoe_core.recording.errors import RecordingError
from limoe_core.recording.routers import Gate, Router

Variant = Literal["next best", "none", "forced"]
"""As `analysis.causal_specialisation` calls them: off, silent, and forced."""

_PRODUCTS = {torch.nn.functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__}
_CHOICES = {torch.topk, torch.Tensor.topk}


@dataclass(frozen=True, eq=False)
class Change:
    """What happens to one expert of a router."""

    router: Router
    expert: int
    """Of a router with several gates, counted through them."""
    variant: Variant


@contextmanager
def changed(
    change: Change, tokens: Bool[torch.Tensor, " n"], for_image: Bool[torch.Tensor, " n"]
) -> Iterator[None]:
    """Forward passes within have the change made for some tokens.

    Args:
      tokens: whom it is made for, of the flattened batch; for none, nothing at all is changed.
      for_image: as in `Listener.take`.

    Raises:
      RecordingError: in the forward pass, if the router computes its choice in an unknown way.
    """
    gates = change.router.gates
    if len(gates) == 1:
        gate, expert = gates[0], change.expert
    else:
        experts = _experts(gates[0])
        gate, expert = gates[change.expert // experts], change.expert % experts
        mine = for_image == (gate.modality == "image")
        tokens = tokens[mine]
    hooks = list(_hooks(gate, expert, change.variant, tokens))
    try:
        yield
    finally:
        for remove in hooks:
            remove()


def _hooks(
    gate: Gate, expert: int, variant: Variant, tokens: Bool[torch.Tensor, " n"]
) -> Iterator[Callable[[], None]]:
    def finished(module: Any, _: Any, output: Any) -> Any:
        form = form_of(output, module, gate.name, gate.logits_at)
        mine = tokens.to(form.read(output).choice.device)
        if variant == "none":
            return form.silenced(output, expert, mine)
        chosen = (form.read(output).choice == expert).any(dim=-1)
        wrong = chosen & mine if variant == "next best" else ~chosen & mine
        if wrong.any():
            raise RecordingError(
                f"the router {gate.name} ({type(module).__name__}) chooses in a way that hooks "
                f"cannot change: expert {expert} could not be "
                f"{'switched off' if variant == 'next best' else 'forced'}"
            )
        return None

    if variant != "none":
        choosing = _Choosing(expert, _experts(gate), variant, tokens)
        yield gate.module.register_forward_pre_hook(lambda *_: choosing.begin()).remove
        leave = gate.module.register_forward_hook(lambda *_: choosing.end(), always_call=True)
        yield leave.remove
    yield gate.module.register_forward_hook(finished).remove


def _experts(gate: Gate) -> int:
    """How many experts a gate chooses from, by its attribute or its weight."""
    count = getattr(gate.module, "num_experts", None)
    if count is None and (weight := getattr(gate.module, "weight", None)) is not None:
        count = weight.shape[0]
    if not isinstance(count, int):
        raise RecordingError(f"the router {gate.name} does not say how many experts it has")
    return count


class _Choosing(TorchFunctionMode):
    """Changes the logits and the choice that are computed while it is entered."""

    def __init__(
        self, expert: int, experts: int, variant: Variant, tokens: Bool[torch.Tensor, " n"]
    ) -> None:
        super().__init__()
        self._variant = variant
        self._shape = (len(tokens), experts)
        self._tokens, self._expert = tokens, expert
        self._entered = False

    def begin(self) -> None:
        self.__enter__()
        self._entered = True

    def end(self) -> None:
        if self._entered:
            self._entered = False
            self.__exit__(None, None, None)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _CHOICES and tuple(args[0].shape) == self._shape:
            return self._choose(func, args, kwargs)
        found = func(*args, **kwargs)
        if self._variant == "next best" and func in _PRODUCTS and found.shape == self._shape:
            return found.masked_fill(self._here(found), -torch.inf)
        return found

    def _choose(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        scores, *rest = args
        bound = -torch.inf if self._variant == "next best" else torch.inf
        found = func(scores.masked_fill(self._here(scores), bound), *rest, **kwargs)
        values = scores.gather(-1, found.indices)
        return type(found)((values, found.indices))

    def _here(self, scores: torch.Tensor) -> Bool[torch.Tensor, "n E"]:
        """The entries of the expert for the tokens of the change."""
        here = torch.zeros(self._shape, dtype=torch.bool, device=scores.device)
        here[:, self._expert] = self._tokens.to(scores.device)
        return here
