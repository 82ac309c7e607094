"""Bytes that one device moves in a training step, counted for ring collectives."""

from __future__ import annotations

from dataclasses import dataclass

from limoe_core.config import Config
from limoe_core.devices.mesh import MeshShape
from limoe_core.planning.cost import Parameters, Tokens, forwards_again
from limoe_core.planning.memory import Memory

_FLOAT32 = 4


@dataclass(frozen=True)
class Traffic:
    """Bytes that one device moves in a step."""

    memory: float
    """To and from its own memory, at least: parameters, gradients, optimizer and activations."""
    experts: float
    """Tokens that travel to their experts and back, forward and backward."""
    gradients: float
    """Gradients that are summed over the devices that hold the same parameters."""
    parameters: float
    """Parameters that are collected from the devices they are cut over, if they are."""
    embeddings: float
    """Embeddings that every device collects for the contrastive loss."""

    @property
    def network(self) -> float:
        """All that goes to other devices."""
        return self.experts + self.gradients + self.parameters + self.embeddings


def traffic(config: Config, mesh: MeshShape, tokens: Tokens, held: Memory) -> Traffic:
    """Bytes that a step moves.

    Args:
      held: what the step holds on each device.
    """
    model, train = config.model, config.train
    counted = Parameters.of(config)
    size = _FLOAT32 if model.dtype == "float32" else 2
    n = tokens.total / mesh.devices
    away = (mesh.expert - 1) / mesh.expert
    places = n * model.top_k * model.capacity_factor * len(model.moe_layers)

    def around(number_of_bytes: float) -> float:
        """Sent by a device when all collect such arrays, or each sums up a part of them."""
        dense = (counted.total - counted.experts) * (mesh.devices - 1) / mesh.devices
        experts = counted.experts / mesh.expert * (mesh.data - 1) / mesh.data
        return number_of_bytes * (dense + experts)

    rows = config.data.batch_size * (1 + config.data.captions_per_image)
    again = forwards_again(config)
    # Summed where they are kept; then they go round, as gradients, as updated parameters where the
    # optimizer's state is cut, or in each pass, in the blocks' type, where parameters are.
    collected = train.shards_parameters
    passes = 2 if model.remat != "none" else 1
    return Traffic(
        memory=held.state.parameters * (3 + again)
        + held.state.gradients * 2
        + held.state.optimizer * 2
        + held.work.activations * 2 * train.micro_batches,
        experts=4 * places * model.width * size * away,
        gradients=around(_FLOAT32) * (1 if collected else 2),
        parameters=around(size) * passes * train.micro_batches if collected else 0.0,
        embeddings=rows * model.embed_dim * _FLOAT32 * (mesh.devices - 1) / mesh.devices,
    )
