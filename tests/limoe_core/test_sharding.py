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

import jax
import numpy as np
import pytest

import limoe_core
from limoe_core.checkpoint import Run
from limoe_core.config import ConfigError, preset
from limoe_core.functional import FunctionalModel
from limoe_core.sharding import EXPERT, MeshShape, parameter_spec
from tests.conftest import ROOT

Alone = Callable[[int], dict[str, np.ndarray]]


def start(out: Path, mesh: str, groups: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.limoe_core.mesh_steps", str(out), mesh, str(groups)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-4000:]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def several(out: Path, mesh: str, groups: int, processes: int, devices: int) -> None:
    address = f"localhost:{free_port()}"
    finish(
        *(
            start(
                out,
                mesh,
                groups,
                JAX_COORDINATOR_ADDRESS=address,
                JAX_NUM_PROCESSES=str(processes),
                JAX_PROCESS_ID=str(index),
                LIMOE_TEST_DEVICES=str(devices),
            )
            for index in range(processes)
        )
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Gives five steps on one device, by number of routing groups."""
    folder = tmp_path_factory.mktemp("alone")

    @functools.cache
    def walked(groups: int) -> dict[str, np.ndarray]:
        finish(start(folder / f"{groups}.npz", "", groups))
        return dict(np.load(folder / f"{groups}.npz"))

    return walked


def assert_same(path: Path, wanted: dict[str, np.ndarray]) -> None:
    found = dict(np.load(path))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(found[name], value, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize(
    ("mesh", "groups"),
    [
        ("data=4,expert=2", 8),
        pytest.param("data=8", 8, marks=pytest.mark.long),
        pytest.param("expert=8", 8, marks=pytest.mark.long),
        pytest.param("data=2,expert=4", 1, marks=pytest.mark.long),
    ],
)
def test_eight_devices_give_what_one_gives(
    mesh: str, groups: int, tmp_path: Path, alone: Alone
) -> None:
    finish(start(tmp_path / "mesh.npz", mesh, groups, LIMOE_TEST_DEVICES="8"))
    assert_same(tmp_path / "mesh.npz", alone(groups))


@pytest.mark.parametrize(
    ("processes", "devices", "mesh"),
    [
        (2, 2, "data=2,expert=2"),
        pytest.param(2, 1, "data=2", marks=pytest.mark.long),
        pytest.param(2, 1, "expert=2", marks=pytest.mark.long),
        pytest.param(4, 1, "data=2,expert=2", marks=pytest.mark.long),
    ],
)
def test_several_processes_give_what_one_gives(
    processes: int, devices: int, mesh: str, tmp_path: Path, alone: Alone
) -> None:
    several(tmp_path / "mesh.npz", mesh, 8, processes, devices)
    assert_same(tmp_path / "mesh.npz", alone(8))


def train(run: Path, data_dir: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "limoe_core.train", "--run", str(run), *options]
    if "--resume" not in options:
        command += [
            *("--preset", "debug", "--data.dir", str(data_dir), "--train.steps", "6"),
            *("--train.checkpoint-every", "3", "--train.evaluate-every", "0"),
            *("--train.probe-pairs", "4", "--train.routing-groups", "2"),
            *("--optimizer.learning-rate", "1e-4"),
        ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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


def test_five_steps_are_not_one_step(alone: Alone) -> None:
    """Or the tests above would hold for a model that stands still."""
    first, last = alone(8)["0.metrics.loss"], alone(8)["4.metrics.loss"]
    assert abs(first - last) > 1e-2


@pytest.mark.long
def test_groups_make_a_difference(alone: Alone) -> None:
    assert not np.allclose(alone(8)["0.metrics.loss"], alone(1)["0.metrics.loss"], atol=1e-4)


def test_only_experts_are_spread() -> None:
    leaves = jax.tree_util.tree_leaves_with_path(FunctionalModel.of(preset("emoji-tiny")).shapes)
    spread = {
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, leaf in leaves
        if EXPERT in parameter_spec(path, leaf)
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
