"""The largest batch that fits into a device's memory."""

from __future__ import annotations

import dataclasses
import math

from limoe_core.config import Config
from limoe_core.devices.mesh import MeshShape
from limoe_core.planning.cost import Tokens
from limoe_core.planning.memory import Memory, State, Work

_MOST_PICTURES = 2**24


def largest_batch(
    config: Config,
    mesh: MeshShape,
    room: float,
    *,
    caption_tokens: float | None = None,
    fused: bool = False,
) -> int:
    """Most pictures of a step that fit, over all devices; 0 if not even the smallest batch does.

    Args:
      room: bytes of one device.
      caption_tokens: of an average caption; None takes the longest there may be.
      fused: see `limoe_core.planning.memory.Work.of`.
    """
    groups, block = config.train.groups, config.loss.contrastive_block or 1
    # As batches are cut into groups and blocks, and shared out to devices.
    shared = groups if groups % mesh.devices == 0 else groups * mesh.devices
    unit = math.lcm(shared, block)
    state = State.of(config, mesh)

    def fits(units: int) -> bool:
        data = dataclasses.replace(config.data, batch_size=units * unit)
        larger = dataclasses.replace(config, data=data)
        tokens = Tokens.of(larger, caption_tokens)
        return Memory(state, Work.of(larger, mesh, tokens, fused=fused)).total <= room

    least = -(-2 // unit)  # a batch has two pictures at least
    if unit * least > _MOST_PICTURES or not fits(least):
        return 0
    low, high = least, least
    while high * unit * 2 <= _MOST_PICTURES and fits(high * 2):
        low = high = high * 2
    high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * unit
