"""Which step function each step of a run uses, and the next one, which a thread compiles."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding

from limoe_core.config import Config
from limoe_core.devices.mesh import WHOLE, MeshShape, make_mesh
from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from limoe_core.training import step_functions
from limoe_core.training.step import Batch, TrainState
from limoe_core.training.step_functions import StepFunctions

FIRST, LAST = 1, 10
SEED = np.arange(2, dtype=np.uint32)


@pytest.fixture(scope="module")
def config() -> Config:
    base = preset("debug")
    settings = dataclasses.replace(base.train, steps=LAST, patch_keep=0.25, full_patch_steps=3)
    return dataclasses.replace(base, train=settings)


class Made:
    """Stands for `make_train_step`: small functions, of which each says how it is compiled."""

    def __init__(self) -> None:
        self.patches: list[int] = []
        self.traced_in: list[str] = []
        self.may_trace = threading.Event()
        self.may_trace.set()
        self.fails = False

    def __call__(self, *_: Any, patches: int) -> Any:
        self.patches.append(patches)

        @functools.partial(jax.jit, donate_argnums=0)
        def step(state: TrainState, batch: Batch, seed: jax.Array) -> tuple[TrainState, Any]:
            self.traced_in.append(threading.current_thread().name)
            assert self.may_trace.wait(60)
            if self.fails:
                raise MemoryError
            seen = state.params["w"] * patches + jnp.sum(batch.pictures) + seed[1]
            return state._replace(params={"w": seen}, step=state.step + 1), {"loss": seen}

        return functools.partial(step, seed=SEED)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    made = Made()
    monkeypatch.setattr(step_functions, "make_train_step", made)
    yield made
    made.may_trace.set()


@pytest.fixture
def mesh() -> Mesh:
    return make_mesh(MeshShape(1, 1), jax.devices()[:1])


def state(mesh: Mesh) -> TrainState:
    values = TrainState({"w": np.float32(2)}, (), np.int32(0))
    return jax.device_put(values, NamedSharding(mesh, WHOLE))


def batch(mesh: Mesh, windows: int = 1) -> Batch:
    values = Batch(*(np.ones((1, windows), np.int32) for _ in Batch._fields))
    return jax.device_put(values, NamedSharding(mesh, WHOLE))


def threads(traced_in: list[str]) -> list[bool]:
    """Which of them are the main one."""
    return [name == threading.main_thread().name for name in traced_in]


def test_the_last_steps_see_all_patches_and_no_function_is_made_twice(
    made: Made, config: Config
) -> None:
    step_of = StepFunctions(FunctionalModel.of(config), config)
    patches = config.model.patches
    functions = [step_of(step) for step in range(1, LAST + 1)]
    assert functions[:7] == [functions[0]] * 7
    assert functions[7:] == [functions[7]] * 3
    assert made.patches == [patches // 4, patches]


def test_a_thread_compiles_what_the_last_steps_need(made: Made, config: Config, mesh: Mesh) -> None:
    step_of = StepFunctions(FunctionalModel.of(config), config)
    with jax.set_mesh(mesh):
        after, _ = step_of(FIRST)(state(mesh), batch(mesh))
        expected = float(step_of(LAST)(state(mesh), batch(mesh))[1]["loss"])

    made.traced_in.clear()
    step_of = StepFunctions(FunctionalModel.of(config), config)
    made.may_trace.clear()
    step_of.compile_ahead(after, batch(mesh), mesh)
    step_of.compile_ahead(after, batch(mesh), mesh)  # once is enough
    assert step_of.is_awaited(LAST)
    assert not step_of.is_new(LAST)
    assert step_of.is_new(FIRST)
    made.may_trace.set()
    with jax.set_mesh(mesh):
        found = step_of(LAST)(state(mesh), batch(mesh))[1]["loss"]
    assert not step_of.is_awaited(LAST)
    assert float(found) == expected
    assert threads(made.traced_in) == [False]


def test_a_batch_of_another_shape_is_compiled_when_it_comes(
    made: Made, config: Config, mesh: Mesh
) -> None:
    step_of = StepFunctions(FunctionalModel.of(config), config)
    step_of.compile_ahead(state(mesh), batch(mesh), mesh)
    with jax.set_mesh(mesh):
        one, more = (step_of(LAST)(state(mesh), batch(mesh, windows))[1] for windows in (1, 4))
    assert float(more["loss"]) - float(one["loss"]) == 3
    assert threads(made.traced_in) == [False, True]


def test_what_fails_in_the_thread_is_compiled_when_it_is_needed(
    made: Made, config: Config, mesh: Mesh
) -> None:
    step_of = StepFunctions(FunctionalModel.of(config), config)
    made.fails = True
    step_of.compile_ahead(state(mesh), batch(mesh), mesh)
    function = step_of(LAST)
    made.fails = False
    with jax.set_mesh(mesh):
        assert float(function(state(mesh), batch(mesh))[1]["loss"]) > 0
    assert threads(made.traced_in) == [False, True]


def test_nothing_is_compiled_twice_where_all_steps_are_alike(
    made: Made, config: Config, mesh: Mesh
) -> None:
    settings = dataclasses.replace(config.train, full_patch_steps=0)
    step_of = StepFunctions(FunctionalModel.of(config), dataclasses.replace(config, train=settings))
    with jax.set_mesh(mesh):
        after, _ = step_of(FIRST)(state(mesh), batch(mesh))
    step_of.compile_ahead(after, batch(mesh), mesh)
    assert len(made.patches) == 1
