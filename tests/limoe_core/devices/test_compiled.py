"""What a process compiled, the next one loads; the folder is bounded, and whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import jax
import pytest

from limoe_core.devices import compiled
from limoe_core.devices.compiled import keep_compiled, tidy
from tests.conftest import ROOT

#: Compiles something that takes long enough to be kept, and says what JAX found in its cache.
_COMPILE = """
import sys
from pathlib import Path
import jax, jax.numpy as jnp
from limoe_core.devices.compiled import keep_compiled
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


def test_entries_that_are_not_whole_are_deleted(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(range(256)) * 40)
    written = {
        "whole-cache": packed,
        "empty-cache": b"",
        "half-cache": packed[: len(packed) // 2],
        "wrong-cache": packed[:-4] + b"oops",
        "other-cache": compiled._ZSTD,
        "whole-atime": b"",
    }
    if sys.version_info >= (3, 14):
        from compression import zstd

        written["other-cache"] = zstd.compress(b"whole")
        written["half-other-cache"] = zstd.compress(bytes(range(256)) * 40)[:-9]
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    tidy(tmp_path)
    left = {path.name for path in tmp_path.glob("*-*e")}
    assert left == {"whole-cache", "other-cache", "whole-atime"}


def test_an_entry_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(compiled, "_is_whole", lambda entry: not read.append(entry.name))
    for name, age in (("old-cache", 60), ("new-cache", 0)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
        tidy(tmp_path)
    assert read == ["old-cache", "new-cache"]


@pytest.mark.parametrize(("too_many", "left"), [(0, "abc"), (1, "ab"), (1_000, "")])
def test_a_folder_that_has_grown_too_large_loses_what_was_not_used_for_longest(
    tmp_path: Path, too_many: int, left: str
) -> None:
    size = 0
    for age, name in enumerate("abc"):
        entry = tmp_path / f"{name}-cache"
        entry.write_bytes(zlib.compress(name.encode()))
        os.utime(entry, (1e9 - age, 1e9 - age))
        size += entry.stat().st_size
    tidy(tmp_path, limit=size - too_many)
    assert {path.name[0] for path in tmp_path.glob("*-cache")} == set(left)


def test_jax_that_is_to_keep_nothing_keeps_nothing(tmp_path: Path) -> None:
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        assert keep_compiled(tmp_path / "kept") is None
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert not (tmp_path / "kept").exists()
