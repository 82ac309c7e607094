"""The model as a function of its parameters, which is what jax.jit, optax and Orbax work with."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt32

from limoe_core.config import Config, LossConfig, ModelConfig
from limoe_core.model.limoe import LIMoE, Output
from limoe_core.model.router import Intervention
from limoe_core.precision import exact_float32
from limoe_core.roles import Role, Roles

#: Nested dicts of arrays.
Params = dict[str, Any]


@dataclass(frozen=True, eq=False)
class FunctionalModel:
    """The structure of a model, without its parameters."""

    graph: nnx.GraphDef
    abstract: nnx.State

    @classmethod
    def of(cls, config: Config) -> FunctionalModel:
        """The structure that `config` describes; nothing is allocated.

        Models of the same shape share one, and with it the compiled forward pass.
        """
        return _structure(config.model, config.loss)

    def bind(self, params: Params) -> LIMoE:
        """The model with these parameters, the frozen ones without gradient; cheap, also in jit."""
        if self.roles.any(_is_frozen):
            frozen = self.roles.mask(_is_frozen)(params)
            params = jax.tree.map(
                lambda x, still: jax.lax.stop_gradient(x) if still else x, params, frozen
            )
        state = jax.tree.map(lambda x: x, self.abstract)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(self.graph, state)

    def after_update(self, params: Params, choices: list[Float[Array, "2 E"]]) -> Params:
        """Updated parameters, with what changes outside the gradient: see `LIMoE.after_update`."""
        model = self.bind(params)
        model.after_update(choices)
        return nnx.to_pure_dict(nnx.state(model))

    def within_bounds(self, params: Params) -> Params:
        """Restored parameters with the temperature in its bounds.

        Until version 0.3 the bounds held where it was used, so the stored number may lie outside.
        """
        model = self.bind(params)
        model.bound_temperature()
        return {**params, "log_temperature": model.log_temperature[...]}

    @functools.cached_property
    def forward(self) -> Any:
        """The jitted forward pass of a model in use, over whole pictures and padded texts.

        A float32 model multiplies in full float32 here: see `limoe_core.precision`.

        `forward(params, pixels, ids, image_valid, intervention, *, capacity_factor,
        batch_priority, hidden) -> Output`; without `hidden`, the routers' inputs are left out.
        """

        @functools.partial(jax.jit, static_argnames=("capacity_factor", "batch_priority", "hidden"))
        def forward(
            params: Params,
            pixels: jax.Array,
            ids: jax.Array,
            image_valid: jax.Array,
            intervention: Intervention | None,
            *,
            capacity_factor: float,
            batch_priority: bool,
            hidden: bool,
        ) -> Output:
            model = self.bind(params)
            exact = exact_float32() if model.config.dtype == "float32" else nullcontext()
            with exact:
                output = model(
                    pixels,
                    ids,
                    image_valid=image_valid,
                    capacity_factor=capacity_factor,
                    batch_priority=batch_priority,
                    intervention=intervention,
                )
            return output if hidden else output._replace(hidden=[])

        return forward

    @functools.cached_property
    def roles(self) -> Roles:
        """The role of each parameter for the optimizer, the mesh and the cost model."""
        return Roles.of_variables(dict(nnx.to_flat_state(self.abstract)))

    @property
    def shapes(self) -> Params:
        """The parameters' shapes and dtypes, as `jax.ShapeDtypeStruct`."""
        return nnx.to_pure_dict(self.abstract)

    @property
    def parameters(self) -> int:
        """The number of numbers that the model holds."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes))


def _is_frozen(role: Role) -> bool:
    return role.frozen


@functools.lru_cache(maxsize=8)
def _structure(config: ModelConfig, loss: LossConfig) -> FunctionalModel:
    model = nnx.eval_shape(lambda: LIMoE(config, loss, rngs=_OneKey()))
    return FunctionalModel(*nnx.split(model))


class _OneKey(nnx.Rngs):
    """Stands for random keys where only shapes are wanted.

    Tracing how each of some hundred keys is made would take as long as all else of a structure.
    """

    def __init__(self) -> None:
        """Without streams, which hold an array each."""

    def params(self) -> jax.Array:
        return jax.random.key(0)


def initial_params(config: Config, seed: int, shardings: Params | None = None) -> Params:
    """Fresh parameters, the same ones wherever `shardings` puts them."""

    def make(numbers: UInt32[Array, " words"]) -> Params:
        rngs = nnx.Rngs(jax.random.wrap_key_data(numbers))
        model = LIMoE(config.model, config.loss, rngs=rngs)
        return nnx.to_pure_dict(nnx.split(model)[1])

    return jax.jit(make, out_shardings=shardings)(key_numbers(seed))


def key_numbers(seed: int) -> UInt32[np.ndarray, " words"]:
    """A seed's random key as numbers, which every process of a run may hand over.

    As an argument of what is compiled it lets all seeds share one program.
    """
    with jax.ensure_compile_time_eval():  # also where a caller is being traced
        return np.asarray(jax.random.key_data(jax.random.key(seed)))
