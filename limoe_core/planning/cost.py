"""The cost of a training step, counted from a config: parameters, memory, FLOPs, bytes.

Only matrix products count as FLOPs, a multiply and an add each. Nothing is allocated or run.
`limoe_core.plan` prints these, and can hold them against what XLA says of the compiled step.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from limoe_core.config import Config, ModelConfig
from limoe_core.devices.mesh import MeshShape
from limoe_core.model.functional import FunctionalModel

#: A backward pass makes two products for each of the forward pass: for the input and the weight.
_BACKWARD = 2
_FLOAT32 = 4


@dataclass(frozen=True)
class Parameters:
    """The number of parameters of a model."""

    total: int
    active: int
    """Those that one token passes through: of the experts only the chosen ones."""
    experts: int
    """Those that lie along the mesh axis `expert`."""

    @classmethod
    def of(cls, config: Config) -> Parameters:
        """Counted from the shapes of the model."""
        model = config.model
        functional = FunctionalModel.of(config)
        sizes = jax.tree.map(lambda leaf: leaf.size, functional.shapes)
        by_expert = functional.roles.mask(lambda role: role.by_expert)(sizes)
        total = sum(jax.tree.leaves(sizes))
        experts = sum(jax.tree.leaves(jax.tree.map(lambda n, ours: n * ours, sizes, by_expert)))
        unused = experts * (model.experts - model.top_k) // model.experts if experts else 0
        return cls(total, total - unused, experts)


@dataclass(frozen=True)
class Tokens:
    """Tokens of one step, over all devices."""

    image: int
    text: int

    @property
    def total(self) -> int:
        return self.image + self.text

    @classmethod
    def of(cls, config: Config, caption_tokens: float | None = None) -> Tokens:
        """
        Args:
          caption_tokens: of an average caption; None takes the longest there may be.
        """
        model, data = config.model, config.data
        patches = max(1, round(config.train.patch_keep * model.patches))
        length = model.text_length if caption_tokens is None else caption_tokens
        captions = data.batch_size * data.captions_per_image
        return cls(data.batch_size * patches, round(captions * length))


def forward_flops(config: Config, tokens: Tokens, *, padding: bool = True) -> float:
    """FLOPs of one forward pass over all devices.

    Args:
      padding: count the places of experts' buffers, filled or not, as the machine does; without,
        only the tokens' own work, as a comparison with a dense model should.
    """
    model, data = config.model, config.data
    d, n = model.width, tokens.total
    captions = data.batch_size * data.captions_per_image
    patches = tokens.image / data.batch_size
    # Attention unfolds captions to their full length.
    pairs = data.batch_size * patches**2 + captions * model.text_length**2
    attention = n * (2 * d * 3 * d + 2 * d * d) + 4 * d * pairs
    hidden = float(model.expert_hidden)
    if model.experts:
        slots = model.top_k * (model.capacity_factor if padding else 1.0)
        hidden = slots * hidden + model.shared_dim
    special = len(model.expert_blocks)
    mlps = 4 * d * ((model.layers - special) * model.mlp_dim + special * hidden)
    blocks = model.layers * attention + n * mlps
    blocks += len(model.moe_layers) * n * 2 * d * model.experts
    embedding = tokens.image * 2 * (3 * model.patch_size**2) * d
    heads = (data.batch_size + captions) * 2 * d * model.embed_dim
    contrast = captions * 2 * data.batch_size * model.embed_dim
    return float(blocks + embedding + heads + contrast)


def step_flops(config: Config, tokens: Tokens, *, padding: bool = True) -> float:
    """FLOPs of a training step over all devices: forward, backward, and what is computed twice."""
    forward = forward_flops(config, tokens, padding=padding)
    again = (config.train.micro_batches > 1) + config.model.remat
    return forward * (1 + _BACKWARD + again)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    parameters: float
    gradients: float
    optimizer: float
    activations: float
    similarities: float
    """The contrastive loss's matrix and its slope."""

    @property
    def total(self) -> float:
        return (
            self.parameters + self.gradients + self.optimizer + self.activations + self.similarities
        )


def memory(config: Config, mesh: MeshShape, tokens: Tokens) -> Memory:
    """Memory of a device at the end of a forward pass, when it holds most."""
    parameters = Parameters.of(config)
    here = parameters.total - parameters.experts + parameters.experts / mesh.expert
    # AdamW keeps two float32 numbers a parameter; Muon one for the matrices that it turns.
    states = 1.0 if config.optimizer.name == "muon" else 2.0
    micro = config.train.micro_batches
    n = tokens.total / mesh.devices / micro
    batch = config.data.batch_size
    rows = config.loss.contrastive_block or batch
    captions = config.data.captions_per_image
    return Memory(
        parameters=here * _FLOAT32,
        gradients=here * _FLOAT32,
        optimizer=here * states * _FLOAT32,
        activations=n * activation_bytes(config.model, tokens, batch),
        similarities=2 * _FLOAT32 * captions * rows * batch / mesh.devices,
    )


def activation_bytes(model: ModelConfig, tokens: Tokens, batch: int) -> float:
    """Bytes that a token leaves behind for the backward pass, over all blocks.

    With rematerialisation the input of every block, and one block's inside at a time; without, the
    inside of all. Inside of a block: norms, queries, keys and values, attention weights, and the
    MLP's hidden layer before and after its nonlinearity.
    """
    size = np.dtype(np.float32).itemsize if model.dtype == "float32" else 2
    d = model.width
    seen = tokens.image / batch
    rest = 2 * d + 3 * d + d + 2 * d + 2 * model.heads * seen
    dense = size * (rest + 2 * model.mlp_dim)
    special = rest + 2 * model.expert_hidden
    if model.experts:
        slots = model.top_k * model.capacity_factor
        special = rest + slots * (2 * d + 2 * model.expert_hidden) + 2 * model.shared_dim
    special *= size
    number = len(model.expert_blocks)
    if model.remat:
        return size * d * model.layers + max(dense, special if number else 0.0)
    return (model.layers - number) * dense + number * special


@dataclass(frozen=True)
class Traffic:
    """Bytes that one device moves in a step."""

    memory: float
    """To and from its own memory, at least: parameters, gradients, optimizer and activations."""
    experts: float
    """Tokens that travel to their experts and back, forward and backward."""
    gradients: float
    """Gradients that are summed over the devices that hold the same parameters."""
    embeddings: float
    """Embeddings that every device collects for the contrastive loss."""


def traffic(config: Config, mesh: MeshShape, tokens: Tokens) -> Traffic:
    """Bytes that a step moves, counted for ring collectives."""
    model = config.model
    parameters = Parameters.of(config)
    held = memory(config, mesh, tokens)
    size = _FLOAT32 if model.dtype == "float32" else 2
    n = tokens.total / mesh.devices
    away = (mesh.expert - 1) / mesh.expert
    places = n * model.top_k * model.capacity_factor * len(model.moe_layers)
    dense = parameters.total - parameters.experts

    def summed(numbers: float, devices: int) -> float:
        return 2 * numbers * _FLOAT32 * (devices - 1) / devices

    rows = config.data.batch_size * (1 + config.data.captions_per_image)
    passes = 3 + model.remat
    return Traffic(
        memory=held.parameters * passes
        + held.gradients * 2
        + held.optimizer * 2
        + held.activations * 2 * config.train.micro_batches,
        experts=4 * places * model.width * size * away,
        gradients=summed(dense, mesh.devices) + summed(parameters.experts / mesh.expert, mesh.data),
        embeddings=rows * model.embed_dim * _FLOAT32 * (mesh.devices - 1) / mesh.devices,
    )
