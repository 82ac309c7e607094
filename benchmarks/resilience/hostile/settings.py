"""Hostile `config.json` files: settings that no model can have, and words that are no settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.resilience.hostile.cases import Harm, put

_Json = dict[str, Any]
_DIGITS = "9" * 400
#: Settings of the model, and values that break what is computed with them.
_MODEL: dict[str, tuple[Any, ...]] = {
    "heads": (0, -1, 3, 10**30),
    "width": (0, 2**40, True),
    "layers": (0, 2_000_000, 1.5),
    "image_size": (0, -8, 2**31, 10_000_000),
    "patch_size": (0, 2**31),
    "text_length": (0, 10**9),
    "vocab_size": (0, 2**62),
    "mlp_dim": (0, 2**40),
    "embed_dim": (0, -1, 2**40),
    "experts": (-1, 10**9, 100_000),
    "top_k": (0, 10**9),
    "moe_every": (0, 10**12),
    "moe_blocks": ([0], [1] * 5, list(range(1, 100_000)), [[1]], "2"),
    "capacity_factor": (0.0, -1.0, 1e308),
    "eval_capacity_factor": (-1.0, 1e308),
    "expert_dim": (-1, 2**50),
    "shared_dim": (-1, 2**50),
    "router_noise": (1e308, None),
    "dtype": ("float8", ["float32"], {}),
}
#: Text in the place of a setting, which JSON libraries read in ways of their own.
_RAW: dict[str, tuple[str, str, str]] = {
    "digits": ("model", "heads", _DIGITS),
    "digits-float": ("model", "capacity_factor", _DIGITS),
    "infinite": ("loss", "auxiliary", "1e999"),
    "not-a-number": ("optimizer", "learning_rate", "NaN"),
    "minus-infinity": ("optimizer", "clip_norm", "-Infinity"),
    "digits-5000": ("train", "steps", "9" * 5000),
    "exponent": ("train", "steps", "1e15"),
}
_INFO: dict[str, tuple[Any, ...]] = {
    "format": (True, "1", -1, 10**30, None, [1], 1.0),
    "parameters": (-1, 10**300, "many", [1], {}),
    "data": ([], "emoji", {"name": 5}, {"name": "<b>" * 300_000}, {"name": ["a"]}),
    "versions": ([], "1"),
    "created": (5, "yesterday", None),
    "seed": ("x", 10**300),
    "config": ([], "default", None, {"model": []}, {"model": None}, {"extra": {}}),
}


def of_the_config() -> Iterator[Harm]:
    """What may be wrong with the settings."""
    for name, values in _MODEL.items():
        for place, value in enumerate(values):
            yield Harm(
                f"model-{name}-{place}",
                f"model.{name} is {str(value)[:40]}",
                partial(_edit, partial(_set, "model", name, value)),
            )
    for name, values in {
        "steps": (0, -5, 2**70),
        "probe_pairs": (-1, 2**50),
        "patch_keep": (0.0, 2.0),
    }.items():
        for place, value in enumerate(values):
            yield Harm(
                f"train-{name}-{place}",
                f"train.{name} is {value}",
                partial(_edit, partial(_set, "train", name, value)),
            )
    for name, values in _INFO.items():
        for place, value in enumerate(values):
            yield Harm(
                f"info-{name}-{place}",
                f"{name} is {str(value)[:40]}",
                partial(_edit, partial(_set_info, name, value)),
            )
    for name, (table, setting, text) in _RAW.items():
        yield Harm(
            f"raw-{name}", f"{table}.{setting} is {text[:40]}", partial(_raw, table, setting, text)
        )
    yield Harm("utf16", "UTF-16", lambda path: put(path, path.read_text().encode("utf-16")))
    yield Harm("bom", "a byte order mark", lambda path: put(path, "\ufeff" + path.read_text()))
    spaces = " " * 20_000_000
    yield Harm("spaces", "20 MB of spaces", lambda path: put(path, path.read_text() + spaces))
    yield Harm("objects", "100,000 nested objects", lambda path: put(path, '{"a":' * 100_000))
    yield Harm("surrogate", "half a character in a name", partial(_edit, _half_a_character))


def other_models() -> Iterator[Harm]:
    """Settings of a model that could be, but is not the one whose files lie beside them."""
    for name, change in {
        "wider": {"width": 128},
        "more-layers": {"layers": 8},
        "more-experts": {"experts": 16},
        "larger-pictures": {"image_size": 512},
        "finer-patches": {"patch_size": 2},
        "more-words": {"vocab_size": 60_000},
        "longer-texts": {"text_length": 64},
        "other-embedding": {"embed_dim": 96},
        "dense": {"experts": 0},
        "two-choices": {"top_k": 2},
        "giant": {"width": 16384, "layers": 128, "mlp_dim": 65536, "heads": 128},
    }.items():
        words = ", ".join(f"{key} {value}" for key, value in change.items())
        yield Harm(f"as-if-{name}", f"settings of another model: {words}", _model_with(change))


def _model_with(change: _Json) -> Callable[[Path], None]:
    return partial(_edit, lambda stored: stored["config"]["model"].update(change))


def _edit(change: Callable[[_Json], object], path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    change(stored)
    put(path, json.dumps(stored))


def _set(table: str, name: str, value: Any, stored: _Json) -> None:
    stored["config"][table][name] = value


def _set_info(name: str, value: Any, stored: _Json) -> None:
    stored[name] = value


def _half_a_character(stored: _Json) -> None:
    stored["data"] = {"name": "half \ud800"}


def _raw(table: str, name: str, text: str, path: Path) -> None:
    mark = "a mark that stands for the text"
    _edit(partial(_set, table, name, mark), path)
    put(path, path.read_text(encoding="utf-8").replace(json.dumps(mark), text))
