"""Forward hooks that keep what each router decides."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import torch
from jaxtyping import Bool

from limoe_core.recording.decisions import Decision, Form, form_of
from limoe_core.recording.errors import RecordingError
from limoe_core.recording.routers import Gate, Router


class Listener:
    """Keeps the routers' decisions while it is entered; `take` gives those of the last forward."""

    def __init__(self, routers: Sequence[Router]) -> None:
        self._routers = routers
        self._forms: dict[str, Form] = {}
        self._heard: dict[str, Decision] = {}
        self._twice: set[str] = set()
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for router in self._routers:
            for gate in router.gates:
                self._hooks.append(gate.module.register_forward_hook(self._hook(gate)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _hook(self, gate: Gate) -> Any:
        def heard(module: Any, _: Any, output: Any) -> None:
            if gate.name not in self._forms:
                self._forms[gate.name] = form_of(output, module, gate.name, gate.logits_at)
            if gate.name in self._heard:
                self._twice.add(gate.name)
            self._heard[gate.name] = self._forms[gate.name].read(output)

        return heard

    def take(self, for_image: Bool[torch.Tensor, " n"]) -> list[Decision]:
        """The decisions of one forward pass, by router, about all n tokens of the batch.

        Where a router has a gate for each modality, its experts are those of the first gate and
        then those of the second.

        Args:
          for_image: tokens that such a router sends to its image experts, flattened.

        Raises:
          RecordingError: a router was not asked, was asked twice, or saw other tokens.
        """
        heard, twice = self._heard, self._twice
        self._heard, self._twice = {}, set()
        for name in twice:
            raise RecordingError(
                f"the router {name} decides several times in one forward pass, as in a model "
                "whose blocks are run in a loop; such models cannot be recorded"
            )
        found = []
        for router in self._routers:
            if len(router.gates) > 1:
                decision = _joined(router, heard, for_image)
            elif (only := heard.get(router.gates[0].name)) is None:
                raise RecordingError(f"the router {router.name} was not asked in a forward pass")
            else:
                decision = only
            if len(decision.choice) != len(for_image):
                raise RecordingError(
                    f"the router {router.name} saw {len(decision.choice)} tokens of "
                    f"{len(for_image)}; it cannot be told which"
                )
            found.append(decision)
        return found


def _joined(
    router: Router, heard: dict[str, Decision], for_image: Bool[torch.Tensor, " n"]
) -> Decision:
    """One decision about all tokens, of gates that saw those of a modality each."""
    parts = [heard.get(gate.name) for gate in router.gates]
    some = next((part for part in parts if part is not None), None)
    if some is None:
        raise RecordingError(f"the router {router.name} was not asked in a forward pass")
    experts = some.logits.shape[1]
    count, device = len(for_image), some.logits.device
    logits = some.logits.new_full((count, experts * len(parts)), -torch.inf)
    choice = some.choice.new_empty((count, some.choice.shape[1]))
    weight = some.weight.new_empty(choice.shape)
    for at, (gate, part) in enumerate(zip(router.gates, parts, strict=True)):
        mine = (for_image == (gate.modality == "image")).to(device)
        if part is None and not mine.any():
            continue
        if part is None or len(part.choice) != int(mine.sum()):
            raise RecordingError(
                f"the gate {gate.name} saw other tokens than those of its modality"
            )
        logits[mine, at * experts : (at + 1) * experts] = part.logits
        choice[mine], weight[mine] = part.choice + at * experts, part.weight
    return Decision(logits, choice, weight)
