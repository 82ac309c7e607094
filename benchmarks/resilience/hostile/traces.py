"""Trace files that are whole archives with wrong content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resilience.hostile.cases import Case, clear
from limoe_core.runs import Run

Arrays = dict[str, np.ndarray]
_Tampering = Callable[[np.random.Generator, Arrays], str]

#: Names of one array that hold numbers; those that hold texts; in files of either format.
_NUMBERS = (
    "layers", "modality", "kind", "pair", "position", "box", "probs", "expert", "gate", "dropped",
    "image_embeddings", "text_embeddings", "picture", "pictures.pair", "pictures.rows",
    "pictures.columns", "pictures.width", "pictures.height", "pictures.end", "pictures.bytes",
    "reachable", "bias", "offset", "score", "score_expert",
)  # fmt: skip
_TEXTS = ("piece", "captions", "prompts")
_TYPES = (
    "bool", "int8", "uint8", "int16", "int64", "uint64", "float16", "float64", "complex128",
    "U4", "S4", "M8[s]", "m8[s]",
)  # fmt: skip
_VALUES = (
    -1, -(2**31), 0, 1, 2, 3, 7, 255, 2**15, 2**31 - 1, 2**62, 0.5, 1.5, -0.5, 1e30, 1e300,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
_KEYS = (
    "image_size", "grid", "format", "kinds", "routers", "scoring", "scaling", "capacity_factor",
    "gate_steps", "made_by",
)  # fmt: skip
_HEADERS = (
    0, -1, 1, 2, 3, 31, 33, 64, 1024, 65_536, 10**6, 10**9, 2**63, 10**300, 1.5, 32.0, True,
    None, "32", "x" * 10_000, [32], {"a": 1}, float("nan"), float("inf"),
)  # fmt: skip
_WORDS = (
    "", " ", "<img src=x onerror=alert(1)>", "\u202egpj", "\x00", "\x1b[31m", "half \ud800",
    "x" * 200_000, "▁", "<0xFF>", "🍎" * 50, "../../etc/passwd",
)  # fmt: skip


def tampered_traces(source: Path, folder: Path, n: int = 1000, seed: int = 0) -> Iterator[Case]:
    """Writes `n` trace files, `<1 to n>.npz`, into `folder`, one at a time.

    Args:
      source: a run with a probe trace; it is not changed.
      folder: may be the folder of another run's traces, of which each then is a step. A caller who
        needs room may remove a file before the next one is made.
      seed: of the first file; the others' follow.
    """
    run = Run.open(source)
    good = _read(run.path_of("probe", run.probe_steps()[-1]))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, n + 1):
        rng = np.random.default_rng((seed, number))
        arrays, told = tampered(good, rng)
        path = folder / f"{number}.npz"
        clear(path)
        np.savez(path, **arrays)  # type: ignore[arg-type]
        yield Case(f"trace-{number}", "trace", told, path)


def tampered(good: Arrays, rng: np.random.Generator) -> tuple[Arrays, str]:
    """A trace's arrays with one to three of them made wrong, and what was done."""
    arrays = {name: array.copy() for name, array in good.items()}
    told = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        told.append(_TAMPERINGS[int(rng.integers(len(_TAMPERINGS)))](rng, arrays))
    return arrays, "; ".join(told)


def _read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _one(rng: np.random.Generator, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _some(rng: np.random.Generator, arrays: Arrays, names: tuple[str, ...]) -> str:
    """One of these arrays, or any other if an earlier tampering took them all."""
    return _one(rng, [name for name in names if name in arrays] or list(arrays))


def _type(rng: np.random.Generator, arrays: Arrays) -> str:
    name, kind = _some(rng, arrays, (*_NUMBERS, *_TEXTS)), _one(rng, _TYPES)
    array = arrays[name]
    try:
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(kind)
    except (ValueError, TypeError):
        arrays[name] = np.zeros(array.shape, kind)
    return f"{name} as {kind}"


def _shape(rng: np.random.Generator, arrays: Arrays) -> str:
    name = _some(rng, arrays, (*_NUMBERS, *_TEXTS))
    array = arrays[name]
    axis = int(rng.integers(max(1, array.ndim)))
    ways: list[Callable[[], np.ndarray]] = [lambda: array[None], lambda: array.reshape(-1)]
    if array.ndim:
        ways += [
            lambda: array.take(range(array.shape[axis] // 2), axis),
            lambda: array.take([], axis),
            lambda: np.concatenate([array, array], axis),
            lambda: array.sum(axis) if array.dtype.kind in "iufb" else array.take(0, axis),
            lambda: np.swapaxes(array, 0, -1),
        ]
    arrays[name] = np.asarray(_one(rng, ways)())
    return f"{name} with the shape {arrays[name].shape}"


def _value(rng: np.random.Generator, arrays: Arrays) -> str:
    name, value = _some(rng, arrays, _NUMBERS), _one(rng, _VALUES)
    array = arrays[name]
    if not array.size or array.dtype.kind not in "biuf":
        return f"{name} left alone"
    where = rng.random(array.shape) < _one(rng, (0.0, 0.01, 1.0))
    where.flat[int(rng.integers(array.size))] = True
    with np.errstate(all="ignore"):
        cast = np.asarray(value if np.isfinite(value) or array.dtype.kind == "f" else 0)
        array[where] = cast.astype(array.dtype)
    return f"{name} with the value {value} in {int(where.sum())} places"


def _order(rng: np.random.Generator, arrays: Arrays) -> str:
    places = ("pair", "layers", "position", "modality", "kind", "box", "picture")
    name = _some(rng, arrays, places)
    if arrays[name].ndim:
        arrays[name] = rng.permutation(arrays[name])
    return f"{name} in another order"


def _header(rng: np.random.Generator, arrays: Arrays) -> str:
    name, value = _one(rng, _KEYS), _one(rng, _HEADERS)
    try:
        header = json.loads(str(arrays["header"]))
    except (ValueError, KeyError):
        return "header left alone"
    if not isinstance(header, dict):
        return "header left alone"
    header[name] = value
    arrays["header"] = np.array(json.dumps(header))
    return f"{name} {str(value)[:40]} in the header"


def _whole_header(rng: np.random.Generator, arrays: Arrays) -> str:
    text = _one(
        rng,
        (
            "",
            "[]",
            "{}",
            "null",
            "[" * 100_000,
            '{"format": 1}',
            '{"format": 2}',
            "9" * 5000,
            "NaN",
            '"a"',
        ),
    )
    arrays["header"] = np.array(text)
    return f"header {text[:40]}"


def _missing(rng: np.random.Generator, arrays: Arrays) -> str:
    name = _one(rng, list(arrays))
    del arrays[name]
    return f"no {name}"


def _further(rng: np.random.Generator, arrays: Arrays) -> str:
    name = _one(rng, ("hidden", "path", "meta.", "meta.name", "meta.<b>", "meta.language", "self"))
    array = _one(
        rng,
        (
            np.zeros(3),
            np.array("text"),
            np.full(len(np.atleast_1d(arrays.get("captions", np.zeros(1)))), "a"),
            np.full(len(np.atleast_1d(arrays.get("captions", np.zeros(1)))), np.nan),
            np.zeros((2, 3, 4, 5, 6)),
        ),
    )
    arrays[name] = array
    return f"{name} with the shape {array.shape}"


def _words(rng: np.random.Generator, arrays: Arrays) -> str:
    texts = tuple(name for name in arrays if name.startswith("meta."))
    name, word = _some(rng, arrays, (*_TEXTS, *texts)), _one(rng, _WORDS)
    array = arrays[name]
    if array.ndim != 1 or not len(array):
        return f"{name} left alone"
    words = array.astype(str).astype(object)
    words[rng.random(len(words)) < _one(rng, (0.1, 1.0))] = word
    if len(word) > 1000:  # a single one, or every other would take as much room
        words = array.astype(str).astype(object)
        words[int(rng.integers(len(words)))] = word[: 10**7 // len(words)]
    arrays[name] = words.astype(str)
    return f"{name} with {word[:40]!r}"


def _fewer(rng: np.random.Generator, arrays: Arrays) -> str:
    """Everything cut along one axis, so that the parts fit together."""
    axes = {
        "L": {"layers": 0, "probs": 0, "expert": 0, "gate": 0, "dropped": 0},
        "T": {
            **dict.fromkeys(("modality", "kind", "pair", "position", "piece", "box"), 0),
            **dict.fromkeys(("picture", "offset"), 0),
            **dict.fromkeys(("probs", "expert", "gate", "dropped"), 1),
        },
        "E": {"probs": 2},
        "K": {"expert": 2, "gate": 2, "dropped": 2},
        "d": {"image_embeddings": 1, "text_embeddings": 1},
    }
    axis, keep = _one(rng, list(axes)), _one(rng, (0, 1, 2))
    for name, place in axes[axis].items():
        if name in arrays and arrays[name].ndim > place:
            arrays[name] = arrays[name].take(range(min(keep, arrays[name].shape[place])), place)
    return f"{axis} cut to {keep}"


_TAMPERINGS: tuple[_Tampering, ...] = (
    *(_type, _type, _shape, _shape, _value, _value, _value),
    *(_order, _header, _header, _whole_header, _missing, _further, _words, _words, _fewer),
)
