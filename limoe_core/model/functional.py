"""The model as a function of its parameters, which is what jax.jit, optax and Orbax work with."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

from limoe_core.config import Config, LossConfig, ModelConfig
from limoe_core.model.limoe import LIMoE, Output
from limoe_core.model.moe import Intervention

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
        """The model with these parameters; cheap, also inside jit."""
        state = jax.tree.map(lambda x: x, self.abstract)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(self.graph, state)

    @functools.cached_property
    def forward(self) -> Any:
        """The jitted forward pass of a model in use, over whole pictures and padded texts.

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
            output = self.bind(params)(
                pixels,
                ids,
                image_valid=image_valid,
                capacity_factor=capacity_factor,
                batch_priority=batch_priority,
                intervention=intervention,
            )
            return output if hidden else output._replace(hidden=[])

        return forward

    @property
    def shapes(self) -> Params:
        """The parameters' shapes and dtypes, as `jax.ShapeDtypeStruct`."""
        return nnx.to_pure_dict(self.abstract)

    @property
    def parameters(self) -> int:
        """How many numbers the model has to learn."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes))


@functools.lru_cache(maxsize=8)
def _structure(config: ModelConfig, loss: LossConfig) -> FunctionalModel:
    model = nnx.eval_shape(lambda: LIMoE(config, loss, rngs=nnx.Rngs(0)))
    return FunctionalModel(*nnx.split(model))


def initial_params(config: Config, seed: int, shardings: Params | None = None) -> Params:
    """Fresh parameters, the same ones wherever `shardings` puts them."""

    def make() -> Params:
        model = LIMoE(config.model, config.loss, rngs=nnx.Rngs(seed))
        return nnx.to_pure_dict(nnx.split(model)[1])

    return jax.jit(make, out_shardings=shardings)()
