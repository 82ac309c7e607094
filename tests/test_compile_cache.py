"""The compile cache that tests keep: it is used, bounded, and free of what is half written."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from tests import compile_cache


def test_what_a_test_compiles_is_kept_and_loaded_again() -> None:
    assert jax.config.jax_compilation_cache_dir == os.environ["JAX_COMPILATION_CACHE_DIR"]
    counts: dict[str, int] = {}

    def count(name: str, **_: object) -> None:
        counts[name] = counts.get(name, 0) + 1

    def slow(x: jax.Array) -> jax.Array:
        for i in range(300):
            x = jnp.sin(x @ x) + i
        return x

    jax.monitoring.register_event_listener(count)
    try:
        for _ in range(2):
            jax.jit(slow).lower(jnp.ones((8, 8))).compile()
            jax.clear_caches()
    finally:
        jax.monitoring.unregister_event_listener(count)
    assert counts["/jax/compilation_cache/cache_hits"] >= 1


def test_entries_that_are_not_whole_are_deleted(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(range(256)) * 40)
    written = {
        "whole-cache": packed,
        "empty-cache": b"",
        "half-cache": packed[: len(packed) // 2],
        "wrong-cache": packed[:-4] + b"oops",
        "whole-atime": b"",
    }
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    compile_cache.tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"whole-cache", "whole-atime"}


def test_a_folder_that_has_grown_too_large_is_emptied(tmp_path: Path) -> None:
    for name in ("a-cache", "b-cache"):
        (tmp_path / name).write_bytes(zlib.compress(name.encode()))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    compile_cache.tidy(tmp_path, limit=size)
    assert len(list(tmp_path.iterdir())) == 2
    compile_cache.tidy(tmp_path, limit=size - 1)
    assert not list(tmp_path.iterdir())


def test_without_a_place_to_write_there_is_no_kept_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert compile_cache.of_this_environment() == tmp_path / "cache" / "jax-tests"
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)  # no virtual environment
    assert compile_cache.of_this_environment() is None
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "file"))
    assert compile_cache.of_this_environment() is None
