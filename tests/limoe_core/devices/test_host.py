"""Freed memory is kept by a process that trains, in whichever thread it was allocated."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from limoe_core.devices.host import KEEPING_FREED_MEMORY

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc"),
]

#: Faults of fresh pages while a product with a result of 256 MB is computed twice more.
_PRODUCT = """
import resource
import jax, jax.numpy as jnp

large = jax.jit(lambda x: jnp.tanh(x @ x.T).sum())
x = jnp.ones((8192, 16))
large(x).block_until_ready()
large(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    large(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str, settings: dict[str, str]) -> int:
    """Pages that a process faults in, which begins with the line `first`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", first + _PRODUCT],
        env=clean | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_a_process_that_trains_keeps_what_it_freed() -> None:
    assert faults("import limoe_core.train", {}) < faults("import numpy", {}) / 10


def test_an_environment_does_the_same() -> None:
    assert faults("import numpy", KEEPING_FREED_MEMORY) < faults("import numpy", {}) / 10
