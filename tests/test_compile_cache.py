"""The compile cache that tests keep is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from tests import compile_cache


@pytest.mark.training
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
