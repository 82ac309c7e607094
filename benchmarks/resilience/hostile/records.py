"""Hostile metrics, evaluations and predictions: whole files with wrong content."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resilience.hostile.cases import Harm, clear, put

_MARKUP = "<img src=x onerror=alert(1)>"
#: What a number may turn out to be.
_NO_NUMBERS: dict[str, Any] = {
    "text": "1",
    "none": None,
    "list": [1],
    "table": {"a": 1},
    "bool": True,
    "negative": -1,
    "large": 10**17,
    "digits": int("9" * 400),
    "infinite": float("inf"),
    "nan": float("nan"),
}


def of_the_metrics() -> Iterator[Harm]:
    """What may be wrong with the log."""
    for name, value in _NO_NUMBERS.items():
        for key in ("step", "contrastive", "time", "loss"):
            wrong = f"{key} is {str(value)[:40]}"
            yield Harm(f"{key}-{name}", wrong, partial(_log, {key: value}))
    router = {
        "layer": 2,
        "share": {"image": [0.5, 0.5], "text": [1.0]},
        **{name: {"image": 0.0, "text": 0.0} for name in _OF_A_ROUTER},
    }
    for name, routers in {
        "routers-number": 5,
        "routers-text": "routers",
        "routers-empty": [{}],
        "routers-list": [[1, 2]],
        "routers-ragged": [router, {**router, "share": {"image": 5}}],
        "routers-modality": [{**router, "share": {_MARKUP: [1.0]}}],
        "routers-many": [{**router, "share": {"image": [0.0] * 100_000}}],
        "routers-layer": [{**router, "layer": "two"}],
    }.items():
        yield Harm(name, f"routers: {name}", partial(_log, {"routers": routers}))
    yield Harm("lists", "lines that are lists", lambda path: put(path, "[1]\n" * 100))
    yield Harm("wide", "50,000 names in a line", partial(_log, {f"k{i}": i for i in range(50_000)}))
    yield Harm("long", "a line of 20 MB", lambda path: put(path, "1" * 20_000_000))
    yield Harm("lines", "a million lines", lambda path: put(path, '{"step":1}\n' * 1_000_000))
    yield Harm("brackets", "10 million empty lists", _brackets)
    yield Harm("validation", "validation is a list", partial(_log, {"validation": [{"top1": "x"}]}))


_OF_A_ROUTER = ("dropped", "local_entropy", "global_entropy")


def _log(change: dict[str, Any], path: Path) -> None:
    lines = [{"step": step, "contrastive": 5.0, **change} for step in (10, 20)]
    good = path.read_text(encoding="utf-8") if path.exists() else ""
    put(path, good + "".join(json.dumps(line) + "\n" for line in lines))


def _brackets(path: Path) -> None:
    put(path, '{"step": 5, "x": [' + "[]," * 10_000_000 + "[]]}\n")


def of_the_evaluations() -> Iterator[Harm]:
    """What may be wrong with the stored results."""
    for name, value in _NO_NUMBERS.items():
        for place in (("n",), ("ways",), ("top1", "value"), ("top1", "low"), ("concepts",)):
            wrong = f"{'.'.join(place)} is {str(value)[:40]}"
            yield Harm(f"{'-'.join(place)}-{name}", wrong, partial(_results, _at(place, value)))
    for name, content in {
        "task-list": {"zero_shot_test_style": []},
        "task-text": {"zero_shot_test_style": "all"},
        "step-list": {"zero_shot_test_style": {"20": []}},
        "step-empty": {"zero_shot_test_style": {"20": {}}},
        "step-name": {"zero_shot_test_style": {"twenty": {}, "-1": {}, "9" * 300: {}}},
        "step-digit": {"zero_shot_test_style": {"٢٠": {}, "²": {}}},
        "task-path": {"zero_shot_../../../etc/passwd": {"20": {"n": 1}}},
        "task-markup": {f"zero_shot_{_MARKUP}": {"20": {}}},
        "task-long": {"zero_shot_" + "x" * 5_000: {"20": {}}},
        "retrieval": {"retrieval_test_style": {"20": {"languages": {"en": 5}}}},
        "many": {f"zero_shot_{i}": {"20": {}} for i in range(20_000)},
    }.items():
        yield Harm(name, f"results: {name}", partial(_write, content))
    for name, change in {
        "languages-list": _at(("languages",), ["en"]),
        "languages-none": _at(("languages",), {}),
        "languages-markup": _renamed("languages", _MARKUP),
        "languages-long": _renamed("languages", "x" * 100_000),
        "categories-text": _at(("categories",), "all"),
        "styles-number": _at(("styles",), {"noto": 5}),
        "headline-list": _at(("headline_language",), ["en"]),
        "headline-other": _at(("headline_language",), "xx"),
        "split-number": _at(("split",), 5),
        "data-table": _at(("data",), {"a": 1}),
        "mean-missing": _at(("mean_over_languages",), None),
        "ensemble-list": _at(("prompt_ensemble",), [1]),
    }.items():
        yield Harm(name, f"results: {name}", partial(_results, change))


_Change = Callable[[dict[str, Any]], None]


def _at(place: tuple[str, ...], value: Any) -> _Change:
    def change(result: dict[str, Any]) -> None:
        for name in place[:-1]:
            result = result[name]
        result[place[-1]] = value

    return change


def _renamed(table: str, name: str) -> _Change:
    """A further entry of a table, with the values of another one."""
    return lambda result: result[table].update({name: next(iter(result[table].values()))})


def _results(change: _Change, path: Path) -> None:
    stored = copy.deepcopy(json.loads(path.read_text(encoding="utf-8")))
    for task, by_step in stored.items():
        if task.startswith("zero_shot_"):
            for result in by_step.values():
                change(result)
    _write(stored, path)


def _write(content: Any, path: Path) -> None:
    put(path, json.dumps(content))


def of_the_predictions() -> Iterator[Harm]:
    """What may be wrong with the single answers."""
    for wrong, make in {
        "top-outside": lambda a: {"top": a["top"] + 10**6},
        "top-negative": lambda a: {"top": a["top"] - 10**6},
        "top-float": lambda a: {"top": a["top"].astype(float)},
        "top-flat": lambda a: {"top": a["top"][..., 0]},
        "top-none": lambda a: {"top": a["top"][..., :0]},
        "concept-outside": lambda a: {"concept": a["concept"] + 10**6},
        "concept-text": lambda a: {"concept": a["concept"].astype(str)},
        "picture-negative": lambda a: {"picture": a["picture"] - 10**9},
        "picture-short": lambda a: {"picture": a["picture"][:2]},
        "ranks-negative": lambda a: {"ranks": a["ranks"] - 10**6},
        "ranks-float": lambda a: {"ranks": a["ranks"] / 3},
        "ranks-short": lambda a: {"ranks": a["ranks"][:, :1]},
        "similarity-nan": lambda a: {"similarity": np.full_like(a["similarity"], np.nan)},
        "similarity-large": lambda a: {"similarity": np.full_like(a["similarity"], 3e38)},
        "similarity-text": lambda a: {"similarity": a["similarity"].astype(str)},
        "languages-number": lambda a: {"languages": np.arange(len(a["languages"]))},
        "languages-none": lambda a: {"languages": a["languages"][:0]},
        "languages-long": lambda a: {"languages": np.array(["x" * 10**6] * len(a["languages"]))},
        "names-bytes": lambda a: {"names": np.full(len(a["names"]), b"a")},
        "names-fewer": lambda a: {"names": a["names"][:1]},
        "keys-markup": lambda a: {"keys": np.full(len(a["keys"]), "~" + _MARKUP)},
        "category-number": lambda a: {"category": np.arange(len(a["category"]))},
        "categories-many": lambda a: {"categories": np.full(10_000, "x")},
        "categories-each": lambda a: {"category": np.array([f"c{i}" for i in a["picture"]])},
        "data-list": lambda a: {"data": np.array(["a", "b"])},
        "split-number": lambda a: {"split": np.array(3)},
        "no-pictures": lambda a: {name: a[name][:0] for name in ("picture", "concept", "style")},
    }.items():
        yield Harm(wrong, f"answers: {wrong}", partial(_answers, make))


def _answers(make: Callable[[dict[str, np.ndarray]], dict[str, Any]], path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    clear(path)
    np.savez(path, **{**arrays, **make(arrays)})


def of_the_pictures() -> Iterator[Harm]:
    """What may be wrong with the pictures of the probe pairs."""
    for name, make in {
        "float": lambda p: p / 255,
        "int64": lambda p: p.astype(np.int64),
        "text": lambda p: np.full(p.shape[:1], "picture"),
        "grey": lambda p: p[..., 0],
        "alpha": lambda p: np.concatenate([p, p[..., :1]], -1),
        "flat": lambda p: p.reshape(-1),
        "fewer": lambda p: p[:1],
        "none": lambda p: p[:0],
        "smaller": lambda p: p[:, :3, :3],
        "oblong": lambda p: p[:, :, :3],
        "larger": lambda p: np.zeros((len(p), 2000, 2000, 3), np.uint8),
        "thousands": lambda p: np.zeros((20_000, *p.shape[1:]), np.uint8),
        "empty-side": lambda p: p[:, :0],
    }.items():
        yield Harm(name, f"pictures: {name}", partial(_pictures, make))


def _pictures(make: Callable[[np.ndarray], np.ndarray], path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        pictures = file["pictures"]
    clear(path)
    np.savez_compressed(path, pictures=make(pictures))
