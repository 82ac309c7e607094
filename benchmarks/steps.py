"""A training step of LIMoE against one of its dense twin."""

from __future__ import annotations

from benchmarks.flops import muon_flops, training_flops
from benchmarks.measure import Line, medians
from benchmarks.training import random_batch, stepper, tokens_of
from limoe_core.config import Config
from limoe_core.presets import dense_twin, preset

_REPEATS = 9


def run(name: str = "emoji-tiny", repeats: int = _REPEATS) -> list[Line]:
    """The ratio of the two steps, both with augmentation and optimizer."""
    config = preset(name)
    twin = dense_twin(config)
    batch = random_batch(config)
    limoe, dense = stepper(config), stepper(twin)
    seconds = medians({"limoe": lambda: limoe(batch), "dense": lambda: dense(batch)}, repeats)
    tokens = tokens_of(batch, config)

    def flops(config: Config) -> float:
        return training_flops(config.model, tokens) + muon_flops(config)

    how = (
        f"{name}, batch {config.data.batch_size}, {tokens.patches} patches a picture, capacity "
        f"factor {config.model.capacity_factor}, {config.optimizer.name}; medians of {repeats} "
        f"interleaved steps, {seconds['limoe']:.3g} s and {seconds['dense']:.3g} s; the limit is "
        "the ratio of their FLOPs"
    )
    return [
        Line(
            name="training step ÷ dense twin's",
            value=seconds["limoe"] / seconds["dense"],
            goal=1.10,
            limit=flops(config) / flops(twin),
            how=how,
        )
    ]
