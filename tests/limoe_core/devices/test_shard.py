"""A state cut along `data` (ZeRO) is trained as one that is whole, and restored as either."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from limoe_core.devices.mesh import DATA, EXPERT, parameter_spec
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from tests.conftest import ROOT

#: It runs nine steps of a tiny model, and compiles three.
_COMPILED_QUICKLY = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

WHOLE = "none:none"
CUT = (
    "optimizer:optimizer",
    "parameters:parameters",
    "none:parameters",
    "parameters:optimizer",
    "optimizer:none",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards")
    subprocess.run(
        [sys.executable, "-m", "tests.limoe_core.devices.shard_steps", str(out), WHOLE, *CUT],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": _COMPILED_QUICKLY},
        timeout=900,
        check=True,
    )
    return out


@pytest.mark.mesh
@pytest.mark.parametrize("walk", CUT)
def test_three_steps_are_those_of_a_whole_state(walk: str, found: Path) -> None:
    """Parameters, optimizer state and loss, with a checkpoint between the second and the third."""
    wanted, got = (dict(np.load(found / f"{name}.npz")) for name in (WHOLE, walk))
    assert got.keys() == wanted.keys()
    for name in wanted:
        if not name.startswith("share."):
            one, other = (without_keys_bias(name, some[name]) for some in (wanted, got))
            scale = max(1.0, float(np.abs(one).max()))
            np.testing.assert_allclose(other, one, atol=1e-6 * scale, err_msg=name)


def without_keys_bias(name: str, value: np.ndarray) -> np.ndarray:
    """Softmax takes no notice of a bias on keys: its gradient is rounding, of which AdamW makes a
    step as long as any other."""
    if not name.endswith("attention.qkv.bias"):
        return value
    queries, _, values = np.split(value, 3)
    return np.concatenate([queries, values])


@pytest.mark.mesh
def test_a_device_holds_its_share(found: Path) -> None:
    """Of four devices along data, vectors aside; experts are halved in any case."""

    def share(walk: str, of: str) -> float:
        return float(np.load(found / f"{walk}.npz")[f"share.{of}"])

    for shard in ("optimizer", "parameters"):
        assert share(f"{shard}:{shard}", "opt_state") < 0.35 * share(WHOLE, "opt_state")
    assert share("optimizer:optimizer", "params") == share(WHOLE, "params")
    assert share("parameters:parameters", "params") < 0.35 * share(WHOLE, "params")
    assert share("optimizer:none", "opt_state") == share(WHOLE, "opt_state")


def test_matrices_are_cut_along_their_longest_axis_and_vectors_are_not() -> None:
    functional = FunctionalModel.of(preset("emoji-tiny"))
    specs = {
        jax.tree_util.keystr(path, simple=True, separator="."): parameter_spec(
            path, leaf, functional.roles, data=4
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(functional.shapes)
    }
    assert specs["blocks.0.attention.qkv.kernel"] == PartitionSpec(None, DATA)
    assert specs["blocks.0.mlp.w_out.kernel"] == PartitionSpec(DATA)
    assert specs["blocks.0.attention.qkv.bias"] == PartitionSpec()
    assert specs["blocks.1.mlp.w_in"] == PartitionSpec(EXPERT, None, DATA)
    assert specs["blocks.1.mlp.b_in"] == PartitionSpec(EXPERT)
    assert specs["log_temperature"] == PartitionSpec()
