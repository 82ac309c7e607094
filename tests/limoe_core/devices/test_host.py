"""What a process compiled, the next one loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

#: Compiles something that takes long enough to be kept, and says what JAX found in its cache.
_COMPILE = """
import sys
from pathlib import Path
import jax, jax.numpy as jnp
from limoe_core.devices.host import keep_compiled
counts = {}
def count(name, **_):
    counts[name] = counts.get(name, 0) + 1
jax.monitoring.register_event_listener(count)
print(keep_compiled(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
def slow(x):
    for i in range(300):
        x = jnp.sin(x @ x) + i
    return x
jax.jit(slow).lower(jnp.ones((8, 8))).compile()
print(counts.get("/jax/compilation_cache/cache_hits", 0))
"""


def compile_in_a_process(*arguments: str, **environment: str) -> list[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", _COMPILE, *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout.split()


def test_a_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    assert compile_in_a_process(str(folder)) == [str(folder), "0"]
    assert compile_in_a_process(str(folder)) == [str(folder), "1"]


def test_by_default_it_is_kept_in_the_users_cache(tmp_path: Path) -> None:
    kept, _ = compile_in_a_process(XDG_CACHE_HOME=str(tmp_path))
    assert Path(kept).is_relative_to(tmp_path / "limoe-lens")
    assert list(Path(kept).iterdir())


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_where_no_folder_can_be_made_it_compiles_all_the_same(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    assert compile_in_a_process(str(tmp_path / place)) == ["None", "0"]
