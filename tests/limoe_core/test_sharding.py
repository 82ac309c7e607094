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

#: Meshes, each with a number of routing groups, by the machines that walk on them: how many
#: processes, and devices of each.
WALKS = {
    (1, 1): ["8:", "1:"],
    (1, 8): ["8:data=8", "8:expert=8", "8:data=4,expert=2", "1:data=2,expert=4"],
    (2, 2): ["8:data=4", "8:expert=4", "8:data=2,expert=2"],
    (4, 1): ["8:data=4", "8:expert=4", "8:data=2,expert=2"],
}

Found = dict[str, np.ndarray]
Walked = Callable[[int, int, str], Found]


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-4000:]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def start(out: Path, walks: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.limoe_core.mesh_steps", str(out), *walks],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def walk(out: Path, processes: int, devices: int) -> None:
    """Everything in `WALKS` of so many processes and devices, into the folder `out`."""
    clusters = [{}]
    if processes > 1:
        address = f"localhost:{free_port()}"
        clusters = [
            {
                "JAX_COORDINATOR_ADDRESS": address,
                "JAX_NUM_PROCESSES": str(processes),
                "JAX_PROCESS_ID": str(index),
            }
            for index in range(processes)
        ]
    finish(
        *(
            start(out, WALKS[processes, devices], LIMOE_TEST_DEVICES=str(devices), **cluster)
            for cluster in clusters
        )
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """Gives five steps of so many processes, with so many devices each, on a mesh."""

    @functools.cache
    def folder(processes: int, devices: int) -> Path:
        out = tmp_path_factory.mktemp(f"walks-{processes}-{devices}")
        walk(out, processes, devices)
        return out

    def found(processes: int, devices: int, name: str) -> Found:
        return dict(np.load(folder(processes, devices) / f"{name}.npz"))

    return found


@pytest.mark.parametrize(
    ("processes", "devices", "name"),
    [
        (*machines, name)
        for machines, names in WALKS.items()
        if machines != (1, 1)
        for name in names
    ],
)
def test_every_mesh_gives_what_one_device_gives(
    processes: int, devices: int, name: str, walked: Walked
) -> None:
    """Loss, gradients and statistics of five steps with the same routing groups."""
    groups, _ = name.split(":")
    wanted, found = walked(1, 1, f"{groups}:"), walked(processes, devices, name)
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


def test_five_steps_are_not_one_step(walked: Walked) -> None:
    """Or the tests above would hold for a model that stands still."""
    found = walked(1, 1, "8:")
    assert abs(found["0.metrics.loss"] - found["4.metrics.loss"]) > 1e-2


def test_groups_make_a_difference(walked: Walked) -> None:
    eight, one = (walked(1, 1, name)["0.metrics.loss"] for name in ("8:", "1:"))
    assert not np.allclose(eight, one, atol=1e-4)


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
