"""Where the routers of a transformers model are, by what its family declares."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from limoe_core.recording.errors import RecordingError

#: Names of the two halves of a block whose experts are for one modality by design (ERNIE-VL).
_HALVES = {"text_moe": "text", "vision_moe": "image"}
#: The number of a block in the name of a module.
_BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|blocks|block|h)\.(\d+)\.")


@dataclass(frozen=True, eq=False)
class Gate:
    """A module that chooses experts."""

    name: str
    """Its path in the model, such as `model.layers.0.mlp.gate`."""
    module: Any
    """The `torch.nn.Module`; its output holds the choices."""
    logits_at: int
    """Place of the logits in its output."""
    modality: str = ""
    """The tokens that it sees, "image" or "text"; "" for all."""


@dataclass(frozen=True, eq=False)
class Router:
    """One choice among experts that every token makes: one gate, or one for each modality."""

    name: str
    block: int
    """Number of the block that it lies in, counted from 1."""
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class _Declared:
    """Modules that a family says give router logits."""

    kind: type
    place: int = 0
    part: str = ""
    """What is in their name."""


def find_routers(model: Any) -> list[Router]:
    """The routers of a model, in the order of its blocks.

    Args:
      model: a `transformers.PreTrainedModel`.

    Raises:
      RecordingError: its family declares no router, or no module is of the class declared.
    """
    declared = list(_declared(model))
    kind = type(model).__name__
    if not declared:
        raise RecordingError(
            f"{kind} declares no router to transformers {_version()}: it has no mixture of "
            "experts, or needs a newer transformers"
        )
    gates: dict[str, Gate] = {}
    for name, module in model.named_modules():
        for recorder in declared:
            if isinstance(module, recorder.kind) and recorder.part in name:
                gates |= {gate.name: gate for gate in _gates(name, module, recorder.place)}
    if not gates:
        raise RecordingError(f"{kind} declares routers, and none of its layers has one")
    return _by_block(list(gates.values()))


def _declared(model: Any) -> Iterator[_Declared]:
    """What the model's parts declare of router logits, each once."""
    seen = set()
    for module in model.modules():
        entries = getattr(module, "_can_record_outputs", None) or {}
        found = entries.get("router_logits", [])
        for entry in found if isinstance(found, list | tuple) else [found]:
            one = _Declared(entry)
            if not isinstance(entry, type):
                one = _Declared(entry.target_class, entry.index, entry.layer_name or "")
            if one not in seen:
                seen.add(one)
                yield one


def _gates(name: str, module: Any, index: int) -> Iterator[Gate]:
    """The module itself; where it is a block with a gate for each modality, these gates."""
    inner = {half: getattr(getattr(module, half, None), "gate", None) for half in _HALVES}
    if None in inner.values():
        yield Gate(name, module, index)
        return
    for half, gate in inner.items():
        yield Gate(f"{name}.{half}.gate", gate, 0, _HALVES[half])


def _by_block(gates: list[Gate]) -> list[Router]:
    routers: list[Router] = []
    apart = [gate for gate in gates if gate.modality]
    for block, name in sorted({(_block(gate.name), _whole(gate.name)) for gate in apart}):
        halves = [gate for gate in apart if _whole(gate.name) == name]
        routers.append(Router(name, block, tuple(halves)))
    routers += [Router(g.name, _block(g.name), (g,)) for g in gates if not g.modality]
    order = {gate.name: place for place, gate in enumerate(gates)}
    # In the order in which a token meets them: attention comes first in a block.
    routers.sort(key=lambda r: (r.block, "attention" not in r.name, order[r.gates[0].name]))
    if any(router.block == 0 for router in routers):  # names without numbers of blocks
        return [replace(router, block=at) for at, router in enumerate(routers, 1)]
    return routers


def numbers(routers: Sequence[Router]) -> list[int]:
    """A number for each router: its block's, or its place where a block has several."""
    blocks = [router.block for router in routers]
    if max(Counter(blocks).values()) > 1:
        return list(range(1, len(blocks) + 1))
    return blocks


def names(routers: Sequence[Router]) -> list[str]:
    """What each router is called: by its block, and by its part of it where there are several."""
    blocks = Counter(router.block for router in routers)
    found = []
    for router in routers:
        part = "attention" if "attention" in router.name else router.name.rsplit(".", 2)[-2]
        several = blocks[router.block] > 1
        found.append(f"block {router.block}, {part}" if several else f"block {router.block}")
    return found


def _whole(name: str) -> str:
    """The block of experts that a half belongs to."""
    return name.rsplit(".", 2)[0]


def _block(name: str) -> int:
    found = _BLOCK.search(name)
    return int(found[1]) + 1 if found else 0


def _version() -> str:
    import transformers

    return str(transformers.__version__)
