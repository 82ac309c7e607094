"""The files of a run: where they are, when they changed, and who may spell their names."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import get_args

import numpy as np
import pytest

from limoe_core.runs import Run, files
from limoe_core.runs.directory import Part
from tests.limoe_core.runs.examples import ROOT, small_trace

#: Names that can mean nothing else, and names that are plain words outside a path.
FILES = {files.CONFIG, files.TOKENIZER, files.METRICS, files.EVALUATIONS, files.PICTURES}
FOLDERS = {
    files.PREDICTIONS,
    files.STEPS,
    files.PROBES,
    files.CAUSAL,
    files.EVENTS,
    files.TRAINING,
    files.EVALUATING,
    files.PARAMS,
    files.OPTIMIZER,
}
_JOINING = {"Path", "PurePath", "joinpath", "join", "glob", "rglob", "with_name"}


def spelled(source: str) -> Iterator[str]:
    """Names of a run's files in the code of a module; docstrings and comments may explain them."""
    tree = ast.parse(source)
    explained = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in explained:
                yield from (name for name in FILES if name in node.value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if ".cache" not in ast.unparse(node.left):  # the user's, which is no run
                yield from _in_path(node.right)
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in _JOINING
        ):
            for argument in node.args:
                yield from _in_path(argument)


def _in_path(node: ast.expr) -> Iterator[str]:
    literal = (
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )
    for text in literal:
        yield from FOLDERS & set(PurePosixPath(text).parts)
        if text.startswith("causal-"):
            yield text


def test_only_runs_spells_the_names_of_a_runs_files() -> None:
    modules = [
        path
        for package in ("limoe_core", "analysis", "app", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(ROOT / "limoe_core" / "runs")
    ]
    assert len(modules) > 100
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in modules
        if (found := sorted(set(spelled(path.read_text(encoding="utf-8")))))
    }
    assert not wrong


def test_every_way_of_spelling_a_name_is_noticed() -> None:
    assert set(
        spelled(
            """
'''evaluations.json may be explained'''
def f(run, step):
    '''as may probes/3.npz'''
    a = run.path / "probes" / f"{step}.npz"
    b = Path(run, "steps")
    c = os.path.join(run, f"predictions/{step}.npz")
    d = open(f"{run}/metrics.jsonl")
    e = run.path / f"causal-{step}.json"
    return {"params": a, "steps": 3, "tensorboard": "causal"}
"""
        )
    ) == {"probes", "steps", "predictions", "metrics.jsonl", "causal-"}


def test_parts_are_there_once_they_are_written(run: Run) -> None:
    assert run.has("config")
    written: dict[Part, tuple[int | None, str]] = {
        "metrics": (None, ""),
        "evaluations": (None, ""),
        "probe": (20, ""),
        "probe pictures": (None, ""),
    }
    for part, (step, task) in written.items():
        assert not run.has(part, step, task)
        assert run.stamp(part, step, task) == (0, 0)
    run.append_metrics({"step": 1})
    run.store_evaluation("test_style", 1, {"top1": 0.5})
    run.save_probe(20, small_trace())
    run.save_probe_pictures(np.zeros((2, 8, 8, 3), np.uint8))
    for part, (step, task) in written.items():
        assert run.has(part, step, task)
        assert run.stamp(part, step, task)[1] > 0
    assert not run.has("probe", 40)


def test_a_stamp_changes_with_its_part_alone(run: Run) -> None:
    run.append_metrics({"step": 1})
    run.save_probe(20, small_trace())
    metrics, probe = run.stamp("metrics"), run.stamp("probe", 20)
    assert run.stamp("metrics") == metrics
    run.append_metrics({"step": 2})
    assert run.stamp("metrics") != metrics
    assert run.stamp("probe", 20) == probe
    # Of the same size, written later.
    os.utime(run.path_of("probe", 20), ns=(probe[0] + 1, probe[0] + 1))
    assert run.stamp("probe", 20) != probe


def test_every_part_has_a_place_of_its_own_in_the_run(run: Run) -> None:
    places = [run.path_of(part, 3, "a_task") for part in get_args(Part)]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(run.path) and place != run.path for place in places)
    with pytest.raises(ValueError, match="probe is kept by step"):
        run.path_of("probe")


def test_measurements_of_one_question_have_one_file(tmp_path: Path) -> None:
    assert files.causal_file(tmp_path, "ab") != files.causal_file(tmp_path, "cd")
    assert files.causal_file(tmp_path, "ab").parent == tmp_path
