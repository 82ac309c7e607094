"""Copies of a run that are small enough to ship."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from limoe_core.files import replacing, write_json
from limoe_core.runs.checkpoints import read_params
from limoe_core.runs.directory import Run
from limoe_core.runs.files import CONFIG, STEPS


def export_params(
    run: Run, step: int, target: str | os.PathLike[str], dtype: Any = "bfloat16"
) -> Run:
    """Copies one step's parameters, cast to `dtype`, to the run at `target`, small enough to ship.

    The target run is made with the same config.json and tokenizer if it is not there. bfloat16
    halves the size, and the compressor then takes about a fifth more.

    Raises:
      RunError: the step cannot be read, or `target` holds another run.
    """
    params = _cast(read_params(run.path / STEPS, step), jnp.dtype(dtype))
    place = Path(os.path.abspath(target))
    # Where the data lay on this machine helps nobody else.
    config = dataclasses.replace(run.config, data=run.config.data.without_places())
    if not place.exists():
        Run.create(place, config)
        info = {**run.info, "config": config.to_dict()}
        if isinstance(info.get("data"), Mapping):
            info["data"] = {name: v for name, v in info["data"].items() if name != "directory"}
        if run.origin is not None:
            info["init_from"] = dataclasses.replace(run.origin, path=None).to_dict()
        write_json(place / CONFIG, info)
    shipped = Run.create(place, config, exist=True)
    _copy(run, shipped, run.path_of("tokenizer"))
    with shipped.checkpoints(keep=0) as store:
        store.save(step, params)
    _forget_place(shipped.path / STEPS / str(step))
    return shipped


def export_records(run: Run, shipped: Run) -> None:
    """Copies to `shipped` metrics, examples, probe traces, their pictures and experts' records.

    Evaluations do not go along: what ships is evaluated itself, at its own precision.
    """
    _copy(run, shipped, run.path_of("metrics"))
    _copy(run, shipped, run.path_of("probe pictures"))
    _copy(run, shipped, run.path_of("examples"))
    for step in run.probe_steps():
        shipped.save_probe(step, run.probe(step))
    for step in run.expert_steps():
        if step in shipped.steps():
            shipped.save_experts(run.experts(step))


def _copy(run: Run, shipped: Run, file: Path) -> None:
    if not file.exists():
        return
    target = shipped.path / file.relative_to(run.path)
    target.parent.mkdir(exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(file, temporary)


def _forget_place(step: Path) -> None:
    """Takes out where Orbax wrote each folder; of its note only that it is there counts."""
    for note in step.rglob("commit_success.txt"):
        with replacing(note) as temporary:
            temporary.write_text("Checkpoint commit was successful\n", encoding="utf-8")


def _cast(tree: Any, dtype: np.dtype) -> Any:
    """Floating-point leaves of nested dicts as `dtype`; the others as they are."""
    if isinstance(tree, Mapping):
        return {key: _cast(value, dtype) for key, value in tree.items()}
    return tree.astype(dtype) if jnp.issubdtype(tree.dtype, jnp.floating) else tree
