"""The step function of each step, and the one that comes next, compiled while steps are made.

Most steps show some patches of each picture, and the last ones all of them. Each number of patches
has a program of its own, which may take minutes to compile; for the second one nobody waits. XLA
compiles in threads of its own at the usual priority, so on a CPU the first steps are slower
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from limoe_core.config import Config
from limoe_core.devices.aside import Aside
from limoe_core.model.functional import FunctionalModel
from limoe_core.training.optimizer import make_optimizer
from limoe_core.training.step import Batch, TrainState, TrainStep, lowered, make_train_step

#: `(state, batch, seed=…) -> (state, metrics)`, for arrays of some shapes only.
_Program = Callable[..., tuple[TrainState, dict[str, Any]]]


class StepFunctions:
    """The step function for each step: with some of the patches, or at the end with all."""

    def __init__(self, functional: FunctionalModel, config: Config) -> None:
        self._functional = functional
        self._config = config
        self._optimizer = make_optimizer(config.optimizer, config.train.steps, functional.roles)
        self._made: dict[int, TrainStep] = {}
        self._ahead: dict[int, _Ahead] = {}

    def is_new(self, step: int) -> bool:
        """Whether nobody has begun to compile the function of this step; its first call does."""
        patches = self.patches(step)
        return patches not in self._made and patches not in self._ahead

    def is_awaited(self, step: int) -> bool:
        """Whether the function of this step is being compiled in a thread."""
        ahead = self._ahead.get(self.patches(step))
        return ahead is not None and ahead.is_compiling

    def __call__(self, step: int) -> TrainStep:
        """The function of this step; waits for the thread that compiles it, if there is one."""
        patches = self.patches(step)
        if patches in self._ahead:
            self._made[patches] = self._ahead.pop(patches).function()
        if patches not in self._made:
            self._made[patches] = self._make(patches)
        return self._made[patches]

    def compile_ahead(self, state: TrainState, batch: Batch, mesh: Mesh) -> None:
        """Begin to compile what the last steps need, in a thread; does nothing if it is there.

        Not on GPUs, where XLA measures kernels while it compiles, and steps would disturb that. Not
        where several processes work together, which then compile in the same order.

        Args:
          state: as the last steps will get it, and so
          batch: what they will get; other shapes are compiled when they come.
        """
        patches = self.patches(self._config.train.steps)
        alone = jax.process_count() == 1 and mesh.devices.flat[0].platform != "gpu"
        if alone and patches not in self._made and patches not in self._ahead:
            self._ahead[patches] = _Ahead(self._make(patches), state, batch, mesh)

    def patches(self, step: int) -> int:
        """How many patches of each picture the step shows."""
        model, settings = self._config.model, self._config.train
        if step > settings.steps - settings.full_patch_steps:
            return model.patches
        return max(1, round(settings.patch_keep * model.patches))

    def _make(self, patches: int) -> TrainStep:
        return make_train_step(self._functional, self._optimizer, self._config, patches=patches)


class _Ahead:
    """A step function that a thread compiles."""

    def __init__(self, step: Any, state: TrainState, batch: Batch, mesh: Mesh) -> None:
        self._step = step
        # The arrays themselves are given to the next step, which uses their memory again.
        self._shapes = jax.tree.map(_shape, (state, batch))
        self._mesh = mesh
        self._program: Aside[_Program] = Aside("compiling a step function", self._compile)

    def _compile(self) -> _Program:
        with jax.set_mesh(self._mesh):
            return lowered(self._step, *self._shapes).compile()

    @property
    def is_compiling(self) -> bool:
        return self._program.is_busy

    def function(self) -> TrainStep:
        """The compiled function; if that failed, one that compiles when it is called."""
        program = self._program.result()
        if program is None:
            return self._step

        def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Any]]:
            try:
                return program(state, batch, **self._step.keywords)
            except (TypeError, ValueError):
                # Before anything is computed, JAX refuses arrays of other shapes, as of captions
                # that need more windows than usual. Those have a program of their own.
                return self._step(state, batch)

        return step


def _shape(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
