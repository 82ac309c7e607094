"""What tests of the run directory write into it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from limoe_core.presets import preset
from limoe_core.trace import RoutingTrace

ROOT = Path(__file__).resolve().parents[3]
DEBUG = preset("debug")


def params_at(step: int) -> dict[str, Any]:
    """A tree with what real ones have: integer keys, an empty part, several types."""
    rng = np.random.default_rng(step)
    return {
        "blocks": {i: {"w": jnp.asarray(rng.normal(size=(3, 5)), jnp.float32)} for i in range(11)},
        "norm": {},
        "scale": jnp.float32(step),
        "half": jnp.asarray(rng.normal(size=7), jnp.bfloat16),
        "count": jnp.int32(step),
    }


def shapes(tree: Any, dtype: Any = None) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, dtype or x.dtype), tree)


def assert_same(found: Any, wanted: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


def small_trace(seed: int = 0) -> RoutingTrace:
    """A trace that the model of `DEBUG` could give."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(4), size=(2, 5)).astype(np.float32)
    expert = probs.argmax(axis=-1)[..., None].astype(np.int16)
    return RoutingTrace(
        layers=np.array([1, 2], np.int32),
        modality=np.array([0, 0, 1, 1, 1], np.uint8),
        pair=np.array([0, 1, 0, 0, 1], np.int32),
        position=np.array([0, 0, 0, 1, 0], np.int32),
        piece=np.array(["", "", "▁りんご", "s", "▁red"]),
        box=np.array([[0, 0, 8, 8]] * 2 + [[-1] * 4] * 3, np.int32),
        probs=probs,
        expert=expert,
        gate=np.take_along_axis(probs, expert.astype(int), axis=-1),
        dropped=rng.random((2, 5, 1)) < 0.2,
        captions=np.array(["りんごs", "red"]),
        image_embeddings=rng.normal(size=(2, 32)).astype(np.float32),
        text_embeddings=rng.normal(size=(2, 32)).astype(np.float32),
        image_size=32,
        grid=4,
        meta={"language": np.array(["ja", "en"])},
    )


def python(script: str, *args: Any, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
