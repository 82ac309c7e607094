"""What a training step holds on each device, counted from the shapes of its arrays.

The peak is at the start of the backward pass: everything that was kept for it is there, and the
slopes of one block's inside come to it. Held against two measurements on an H200 in the tests.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from limoe_core.config import Config, ModelConfig
from limoe_core.data.pairs import stored_side
from limoe_core.devices.mesh import DATA, EXPERT, MeshShape, parameter_spec
from limoe_core.model.functional import FunctionalModel
from limoe_core.planning.cost import Tokens
from limoe_core.training.optimizer import make_optimizer

_FLOAT32 = 4
_CHANNELS = 3


@dataclass(frozen=True)
class State:
    """Bytes on one device that stay the same whatever the batch is."""

    parameters: float
    copies: float
    """Of parameters: in the type that blocks compute in, whole where they are cut, and stacked
    where blocks run in a loop."""
    gradients: float
    optimizer: float

    @classmethod
    def of(cls, config: Config, mesh: MeshShape) -> State:
        """Counted from the shapes of the parameters and of the optimizer's state."""
        train = config.train
        functional = FunctionalModel.of(config)
        optimizer = make_optimizer(config.optimizer, train.steps, functional.roles)
        states = jax.eval_shape(optimizer.init, functional.shapes)
        whole = _held(functional.shapes, functional, mesh, split=False)
        parameters = whole
        if train.shards_parameters:
            parameters = _held(functional.shapes, functional, mesh, split=True)
        narrow = config.model.dtype != "float32"
        copies = whole * (0.5 if narrow else float(train.shards_parameters))
        if config.model.remat != "none":  # blocks make, or collect, them again
            copies /= config.model.layers
        if config.model.loops_over_blocks:  # which takes them from stacks
            copies += parameters
        # With one micro-batch at a time, gradients are summed up beside those of the part at work.
        sums = 1 + (train.micro_batches > 1)
        optimizer_state = _held(states, functional, mesh, split=train.shards_optimizer)
        return cls(parameters, copies, sums * parameters, optimizer_state)


@dataclass(frozen=True)
class Work:
    """Bytes on one device that grow with the batch."""

    inputs: float
    """Pictures as they are read, augmented and cut into patches."""
    activations: float
    """What blocks keep for the backward pass."""
    slopes: float
    """Of the inside of the block at work, and what is computed again of it."""
    similarities: float
    """The contrastive loss's matrix and its slope."""

    @classmethod
    def of(cls, config: Config, mesh: MeshShape, tokens: Tokens, *, fused: bool = False) -> Work:
        """
        Args:
          tokens: of the whole step, over all devices.
          fused: whether pictures attend in a kernel that never stores the attention weights.
        """
        model, pictures = config.model, config.data.batch_size
        parts = mesh.devices * config.train.micro_batches
        part = Tokens(math.ceil(tokens.image / parts), math.ceil(tokens.text / parts))
        patches = tokens.image / pictures
        usual = Kept.by_a_block(model, part, patches, fused=fused)
        special = Kept.by_a_block(model, part, patches, fused=fused, special=True)
        number = len(model.expert_blocks)
        blocks = [usual] * (model.layers - number) + [special] * number
        rows = config.loss.contrastive_block or pictures
        matrix = rows * pictures * config.data.captions_per_image / mesh.devices
        return cls(
            inputs=pictures / parts * _bytes_of_a_picture(model, patches),
            activations=sum(block.by_remat[model.remat] for block in blocks),
            slopes=max(block.inside for block in blocks) * (1 + (model.remat != "none")),
            similarities=2 * _FLOAT32 * matrix,
        )


class Memory(NamedTuple):
    """Bytes on one device at the peak of a step."""

    state: State
    work: Work

    @property
    def by_name(self) -> dict[str, float]:
        return {**dataclasses.asdict(self.state), **dataclasses.asdict(self.work)}

    @property
    def total(self) -> float:
        return sum(self.by_name.values())


def memory(config: Config, mesh: MeshShape, tokens: Tokens, *, fused: bool = False) -> Memory:
    """Memory of a device at the peak of a step; the arguments are those of `Work.of`."""
    return Memory(State.of(config, mesh), Work.of(config, mesh, tokens, fused=fused))


@dataclass(frozen=True)
class Kept:
    """Bytes that one block keeps until the backward pass comes to it."""

    residuals: float
    """Its input, and the stream after attention."""
    products: float
    """Results of products with weights: queries, keys and values, and what MLPs make."""
    others: float
    """Norms, attention weights, and what follows nonlinearities."""

    @property
    def inside(self) -> float:
        """All of it."""
        return self.residuals + self.products + self.others

    @property
    def by_remat(self) -> dict[str, float]:
        """What stays, by `ModelConfig.remat`."""
        block_input = self.residuals / 2
        return {
            "none": self.inside,
            "dots": block_input + self.products,
            "full": block_input,
        }

    @classmethod
    def by_a_block(
        cls,
        model: ModelConfig,
        tokens: Tokens,
        patches: float,
        *,
        fused: bool,
        special: bool = False,
    ) -> Kept:
        """
        Args:
          tokens: that pass through it on one device at a time.
          patches: tokens of one picture.
          fused: see `Work.of`.
          special: whether it is one of those that hold a mixture, or would in the twin.
        """
        n, d, size = tokens.total, model.width, np.dtype(_type(model)).itemsize
        # Softmax gives float32, which is cast for the product with the values.
        weight = _FLOAT32 + (size if size < _FLOAT32 else 0)
        pairs = float(tokens.text * model.text_length)
        pairs += tokens.image * (0 if fused and size < _FLOAT32 else patches)
        hidden = float(model.expert_hidden if special else model.mlp_dim)
        products, others = n * size * (3 * d + d), n * size * (d + d)
        others += model.heads * pairs * weight + n * size * d
        if special and model.experts:
            slots = n * model.top_k * model.capacity_factor
            others += n * (_FLOAT32 - size) * d  # the router sees the norm's result in float32
            others += slots * size * d
            products += slots * size * d
            hidden = hidden * slots / n + model.shared_dim
        else:
            products += n * size * d
        products += n * size * hidden
        others += n * size * hidden
        stream = np.dtype(np.float32).itemsize if model.residual_dtype == "float32" else size
        return cls(2 * n * stream * d, products, others)


def _held(tree: Any, functional: FunctionalModel, mesh: MeshShape, *, split: bool) -> float:
    """Bytes of one device's share of parameters, or of optimizer state."""
    sizes = {DATA: mesh.data, EXPERT: mesh.expert}

    def share(path: tuple[Any, ...], leaf: Any) -> float:
        spec = parameter_spec(path, leaf, functional.roles, mesh.data if split else 1)
        cut = math.prod(sizes[axis] for axis in spec if axis is not None)
        return float(leaf.size * np.dtype(leaf.dtype).itemsize / cut)

    return sum(jax.tree.leaves(jax.tree_util.tree_map_with_path(share, tree)))


def _bytes_of_a_picture(model: ModelConfig, patches: float) -> float:
    """As it is read, with an alpha channel; augmented, in float32; and its patches."""
    read = 4 * stored_side(model.image_size) ** 2
    augmented = _FLOAT32 * _CHANNELS * model.image_size**2
    cut = patches * _CHANNELS * model.patch_size**2 * (_FLOAT32 + np.dtype(_type(model)).itemsize)
    return read + augmented + cut


def _type(model: ModelConfig) -> Any:
    return jax.numpy.bfloat16 if model.dtype == "bfloat16" else np.float32
