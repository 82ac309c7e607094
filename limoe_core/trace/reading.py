"""Trace files read without trust: format 2, and format 1 of versions before 0.4."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from limoe_core.arrays import read_arrays
from limoe_core.files import from_json
from limoe_core.trace import checks
from limoe_core.trace.archive import FORMAT, TABLE
from limoe_core.trace.parts import Pictures, Routers, TraceError

#: Longest name or text of the header, in characters.
_LONGEST = 4_000
_MOST_MADE_BY = 64

#: Kinds of NumPy's types and number of dimensions of each array, in both formats.
_KINDS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("pair", "position", "picture"), ("iu", 1)),
    **dict.fromkeys(("kind", "modality"), ("u", 1)),
    "box": ("i", 2),
    "offset": ("i", 2),
    **dict.fromkeys(("expert", "score_expert"), ("iu", 3)),
    **dict.fromkeys(("probs", "hidden", "score"), ("f", 3)),
    "gate": ("fu", 3),
    "dropped": ("b", 3),
    "reachable": ("b", 3),
    "bias": ("f", 2),
    **dict.fromkeys(("image_embeddings", "text_embeddings"), ("f", 2)),
    **dict.fromkeys(("piece", "captions", "prompts"), ("U", 1)),
    **dict.fromkeys(
        [f"pictures.{name}" for name in ("pair", "rows", "columns", "width", "height", "end")],
        ("iu", 1),
    ),
    "pictures.bytes": ("u", 1),
}
#: Of format 1, all of them needed but the last.
_FIRST = (
    "layers", "modality", "pair", "position", "piece", "box", "probs", "expert", "gate", "dropped",
    "captions", "image_embeddings", "text_embeddings", "hidden",
)  # fmt: skip


def read(content: BinaryIO) -> dict[str, Any]:
    """The fields of the trace in a file of any format, of the right types.

    Raises:
      TraceError: it is damaged, foreign or newer than ours.
    """
    try:
        found: dict[str, Any] = {**read_arrays(content)}
        if "header" not in found:
            raise TraceError("no routing trace: it has no array called header")
        said = from_json(str(found.pop("header")))
    except TraceError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for broken bytes
        raise TraceError(f"not a readable routing trace ({error})") from error
    if not isinstance(said, dict) or type(said.get("format")) is not int:
        raise TraceError("not a routing trace")
    if said["format"] > FORMAT:
        raise TraceError(f"trace format {said['format']} is newer than ours")
    meta = {k.removeprefix("meta."): found.pop(k) for k in list(found) if k[:5] == "meta."}
    for name, array in meta.items():
        if array.dtype.kind != "U" or array.ndim != 1:
            raise TraceError(f"meta[{name[:40]!r}] is {array.dtype} with {array.ndim} dimensions")
    parts = _first_format(found, said) if said["format"] < FORMAT else _format(found, said)
    return {**parts, "meta": meta}


def _first_format(found: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of format 1: one square grid, dense probabilities, a layer a block."""
    kinds = {**_KINDS, "layers": ("iu", 1), "gate": ("f", 3)}
    _require_kinds(found, {name: kinds[name] for name in _FIRST})
    missing = [name for name in _FIRST if name not in found and name != "hidden"]
    if missing:
        raise TraceError(f"not a whole routing trace: {', '.join(missing)} missing")
    return {**found, "image_size": _size(said, "image_size"), "grid": _size(said, "grid")}


def _format(found: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    _require_kinds(found, _KINDS)
    missing = [name for name in ("expert", "pair", "kind", "captions") if name not in found]
    if missing:
        raise TraceError(f"not a whole routing trace: {', '.join(missing)} missing")
    kinds = _names(said.get("kinds"), "kinds")
    if not kinds or len(kinds) > checks.MOST_KINDS:
        raise TraceError(f"kinds in the header are {len(kinds)} names, not 1 to 32")
    kind, tokens = found["kind"], found["expert"].shape[1]
    for name in ("pair", "kind", "modality", "position", "picture", "piece", "box", "offset"):
        if name in found and len(found[name]) != tokens:
            raise TraceError(
                f"{name} has {len(found[name])} tokens, and expert {tokens}; both need all of them"
            )
    if kind.size and int(kind.max()) >= len(kinds):
        raise TraceError(f"kind holds {kind.max()}, and the header has {len(kinds)} kinds")
    numbers, routers = _routers(said, found)
    grid, size = 0, 0
    if "grid" in said or "image_size" in said:
        grid, size = _size(said, "grid"), _size(said, "image_size")
    pictures = _pictures(found)
    for name in ("pair", "picture", "position"):
        if name in found:
            _require_narrow(found[name], name)
    expert = found["expert"]
    return {
        **found,
        "layers": numbers,
        "routers": routers,
        "kinds": kinds,
        "kind": kind.astype(np.uint8),
        "expert": expert.astype(np.int16 if expert.dtype.itemsize < 4 else np.int32),
        "gate": _gate(found.get("gate"), said, routers),
        "image_size": size,
        "grid": grid,
        "pictures": pictures,
        "made_by": _made_by(said.get("made_by", {})),
    }


def _require_narrow(values: np.ndarray, name: str) -> None:
    if values.size and (int(values.min()) < -1 or int(values.max()) >= 2**31):
        raise TraceError(f"{name} holds {values.max()}, which is no place")


def _require_kinds(found: Mapping[str, np.ndarray], known: Mapping[str, tuple[str, int]]) -> None:
    """Refuses arrays that are not of the kind that their name stands for."""
    for name, array in found.items():
        kind, dimensions = known.get(name, (None, 0))
        if kind is None:
            raise TraceError(f"{name[:40]!r} is no part of a trace")
        if array.dtype.kind not in kind or array.dtype == np.uint64 or array.ndim != dimensions:
            raise TraceError(
                f"{name} is {array.dtype} with {array.ndim} dimensions, not "
                f"{_called(kind)} with {dimensions}"
            )


def _called(kind: str) -> str:
    words = {"i": "signed", "u": "unsigned", "f": "floating-point", "b": "bool", "U": "text"}
    return " or ".join(words[letter] for letter in kind)


def _size(said: Mapping[str, Any], name: str) -> int:
    size = said.get(name)
    if type(size) is not int or not 1 <= size <= checks.MOST_PIXELS:
        raise TraceError(f"{name} in the header is no size")
    return size


def _number(said: Mapping[str, Any], name: str, default: float | None) -> float | None:
    value = said.get(name, default)
    if value is None and default is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 1e6:
        raise TraceError(f"{name} in the header is {str(value)[:40]}, not a number from 0 on")
    return float(value)


def _names(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TraceError(f"{name} in the header are no list of names")
    if any(not 0 < len(each) <= _LONGEST for each in value):
        raise TraceError(f"a name among {name} in the header is empty or too long")
    return tuple(value)


def _made_by(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_MADE_BY:
        raise TraceError(f"made_by in the header is no object of at most {_MOST_MADE_BY} texts")
    _names([str(name)[: _LONGEST + 1] for name in value], "made_by")
    if not all(isinstance(each, str) and len(each) <= _LONGEST for each in value.values()):
        raise TraceError("made_by in the header holds something other than short texts")
    return dict(value)


def _routers(said: Mapping[str, Any], found: dict[str, Any]) -> tuple[np.ndarray, Routers]:
    listed = said.get("routers")
    if not isinstance(listed, list) or len(listed) > checks.MOST_ROUTERS:
        raise TraceError(f"routers in the header are no list of at most {checks.MOST_ROUTERS}")
    numbers: list[int] = []
    experts: list[int] = []
    for place, router in enumerate(listed):
        router = router if isinstance(router, dict) else {}
        for name, values, most in (
            ("number", numbers, 2**20),
            ("experts", experts, checks.MOST_EXPERTS),
        ):
            value = router.get(name)
            if type(value) is not int or not 1 <= value <= most:
                raise TraceError(f"routers[{place}].{name} in the header is not 1 to {most:,}")
            values.append(value)
    names = _names([each.get("name") for each in listed], "routers")
    scoring = said.get("scoring", "unknown")
    if not isinstance(scoring, str) or not 0 < len(scoring) <= 100:
        raise TraceError("scoring in the header is no name of a rule")
    scaling = _number(said, "scaling", 1.0)
    if not scaling:
        raise TraceError("scaling in the header is 0, so no expert would have any weight")
    return np.array(numbers, np.int32), Routers(
        experts=np.array(experts, np.int32),
        names=names,
        scoring=scoring,
        scaling=scaling,
        capacity_factor=_number(said, "capacity_factor", None),
        reachable=found.pop("reachable", None),
        bias=found.pop("bias", None),
    )


def _gate(gate: np.ndarray | None, said: Mapping[str, Any], routers: Routers) -> np.ndarray | None:
    if gate is None or gate.dtype.kind == "f":
        return gate
    steps = said.get("gate_steps")
    if type(steps) is not int or not 1 <= steps < 2**16:
        raise TraceError(
            "gate is of whole numbers, and gate_steps in the header is not 1 to 65,535"
        )
    kind = np.float16 if steps < 2**10 else np.float32
    return (gate * np.float32(routers.scaling / steps)).astype(kind)


def _pictures(found: dict[str, Any]) -> Pictures | None:
    table = {name: found.pop(f"pictures.{name}", None) for name in (*TABLE, "bytes", "end")}
    content, end = table.pop("bytes"), table.pop("end")
    missing = [name for name, values in table.items() if values is None]
    if len(missing) == len(table) and content is None and "picture" not in found:
        return None
    if missing:
        raise TraceError(f"pictures.{missing[0]} is missing, and the table of pictures needs it")
    for name, values in table.items():
        _require_narrow(values, f"pictures.{name}")
    columns = {name: values.astype(np.int32) for name, values in table.items()}
    if content is None:
        return Pictures(**columns)
    if end is None or len(end) != len(columns["pair"]) or content.dtype != np.uint8:
        raise TraceError("pictures.bytes are not uint8 with an end for each picture")
    bounds = np.concatenate([[0], end.astype(np.int64)])
    if np.any(np.diff(bounds) < 0) or bounds[-1] != len(content):
        raise TraceError("pictures.end are not where pictures end in pictures.bytes, rising")
    whole = content.tobytes()
    files = tuple(whole[a:b] for a, b in itertools.pairwise(bounds))
    return Pictures(**columns, content=files)
