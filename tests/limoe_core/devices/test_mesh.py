"""The same training on one device, on eight, and on several processes."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import limoe_core
from limoe_core.config import ConfigError
from limoe_core.devices.mesh import EXPERT, MeshShape, parameter_spec
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from limoe_core.runs.directory import Run
from tests.conftest import ROOT


class Walks(NamedTuple):
    """Five steps on each of some meshes, one after another in the same processes."""

    processes: int
    devices: int
    """Of each process."""
    names: tuple[str, ...]
    """`GROUPS:MESH` each."""


ALONE = {groups: Walks(1, 1, (f"{groups}:",)) for groups in (1, 8)}
SHORT = [
    Walks(1, 8, ("8:data=8", "8:expert=8", "8:data=4,expert=2")),
    Walks(2, 2, ("8:data=2,expert=2",)),
]
LONG = [
    Walks(1, 8, ("1:data=2,expert=4",)),
    Walks(2, 2, ("8:data=4", "8:expert=4")),
    Walks(4, 1, ("8:data=4", "8:expert=4", "8:data=2,expert=2")),
]

Found = dict[str, np.ndarray]
Walked = Callable[[Walks, str], Found]


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-4000:]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def start(out: Path, *names: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.limoe_core.devices.mesh_steps", str(out), *names],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def walk(out: Path, walks: Walks) -> None:
    """Every walk, each into a file of the folder `out`."""
    clusters = [{}]
    if walks.processes > 1:
        address = f"localhost:{free_port()}"
        clusters = [
            {
                "JAX_COORDINATOR_ADDRESS": address,
                "JAX_NUM_PROCESSES": str(walks.processes),
                "JAX_PROCESS_ID": str(index),
            }
            for index in range(walks.processes)
        ]
    finish(
        *(
            start(out, *walks.names, LIMOE_TEST_DEVICES=str(walks.devices), **cluster)
            for cluster in clusters
        )
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """Gives what was found on one of some walks."""

    @functools.cache
    def folder(walks: Walks) -> Path:
        out = tmp_path_factory.mktemp("walks")
        walk(out, walks)
        return out

    def found(walks: Walks, name: str) -> Found:
        return dict(np.load(folder(walks) / f"{name}.npz"))

    return found


def each(walks: list[Walks], *marks: pytest.MarkDecorator) -> list[Any]:
    return [
        pytest.param(some, name, marks=marks, id=f"{some.processes}x{some.devices}-{name}")
        for some in walks
        for name in some.names
    ]


@pytest.mark.mesh
@pytest.mark.parametrize(("walks", "name"), each(SHORT) + each(LONG, pytest.mark.long))
def test_every_mesh_gives_what_one_device_gives(walks: Walks, name: str, walked: Walked) -> None:
    """Loss, gradients and statistics of five steps with the same routing groups."""
    alone = ALONE[int(name.split(":")[0])]
    wanted, found = walked(alone, alone.names[0]), walked(walks, name)
    assert found.keys() == wanted.keys()
    for part, value in wanted.items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(found[part], value, atol=1e-5 * scale, err_msg=part)


def train(run: Path, data_dir: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "limoe_core.train", "--run", str(run), *options]
    if "--resume" not in options:
        command += [
            *("--preset", "debug", "--data.dir", str(data_dir), "--train.steps", "6"),
            *("--train.checkpoint-every", "3", "--train.evaluate-every", "0"),
            *("--train.probe-pairs", "4", "--train.routing-groups", "2"),
            # So few that no batch needs more windows for them than another: one compilation.
            *("--data.captions-per-image", "1", "--optimizer.learning-rate", "1e-4"),
        ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.processes
def test_two_processes_train_one_run_that_one_opens_and_goes_on_with(
    tmp_path: Path, data_dir: Path
) -> None:
    """What two processes wrote, each with half of the experts, one process restores whole."""
    finish(train(tmp_path / "alone", data_dir))
    alone = Run.open(tmp_path / "alone")
    path = tmp_path / "both"
    cluster = {"JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAX_NUM_PROCESSES": "2"}
    finish(
        *(
            train(path, data_dir, "--mesh", "expert=2", JAX_PROCESS_ID=str(index), **cluster)
            for index in range(2)
        )
    )
    both = Run.open(path)
    assert both.steps() == alone.steps() == [3, 6]
    assert both.probe_steps() == alone.probe_steps()
    logged = [
        [(line["step"], line["loss"]) for line in run.metrics() if "loss" in line]
        for run in (alone, both)
    ]
    assert [step for step, _ in logged[1]] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(logged[1], logged[0], rtol=1e-4)
    assert_near(both, alone)

    # Back to step 3, and on from there on one device.
    shutil.rmtree(path / "steps" / "6")
    finish(train(path, data_dir, "--resume"))
    assert_near(Run.open(path), alone)
    assert limoe_core.load(path).encode_texts(["a red apple"]).shape == (1, 32)


def assert_near(run: Run, wanted: Run) -> None:
    for left, right in zip(
        jax.tree.leaves(run.restore_params(6)),
        jax.tree.leaves(wanted.restore_params(6)),
        strict=True,
    ):
        # AdamW's first steps are as long as the learning rate whatever the gradient, so where that
        # is next to nothing its sign, and the step, is chance: 6 steps of 1e-4.
        np.testing.assert_allclose(left, right, atol=1.3e-3)
        assert np.mean(np.abs(left - right)) < 1e-5


@pytest.mark.mesh
def test_five_steps_are_not_one_step(walked: Walked) -> None:
    """Or the tests above would hold for a model that stands still."""
    found = walked(ALONE[8], "8:")
    assert abs(found["0.metrics.loss"] - found["4.metrics.loss"]) > 1e-2


@pytest.mark.long
@pytest.mark.mesh
def test_groups_make_a_difference(walked: Walked) -> None:
    eight, one = (walked(ALONE[n], f"{n}:")["0.metrics.loss"] for n in (8, 1))
    assert not np.allclose(eight, one, atol=1e-4)


def test_only_experts_are_spread() -> None:
    functional = FunctionalModel.of(preset("emoji-tiny"))
    leaves = jax.tree_util.tree_leaves_with_path(functional.shapes)
    spread = {
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, leaf in leaves
        if EXPERT in parameter_spec(path, leaf, functional.roles)
    }
    assert spread == {
        f"blocks.{block}.mlp.{name}"
        for block in (1, 3, 5)
        for name in ("w_in", "w_out", "b_in", "b_out")
    }


@pytest.mark.parametrize(
    ("text", "devices", "wanted"),
    [
        ("", 8, (8, 1)),
        ("expert=4", 8, (2, 4)),
        ("data=2", 8, (2, 4)),
        ("data=4, expert=2", 8, (4, 2)),
    ],
)
def test_a_mesh_is_read(text: str, devices: int, wanted: tuple[int, int]) -> None:
    assert MeshShape.parse(text, devices) == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data=3,expert=2", "is for 6 devices, and there are 8"),
        ("data=0", "at least one device"),
        ("model=2", "expected the like of"),
        ("data=2,data=4", "expected the like of"),
        ("data=x", "expected the like of"),
        ("expert=16", "is for"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        MeshShape.parse(text, 8)
