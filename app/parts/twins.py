"""Which runs are dense twins of one another."""

from __future__ import annotations

import dataclasses

from limoe_core.config import Config, LossConfig
from limoe_core.presets import dense_twin


def is_twin(config: Config, other: Config) -> bool:
    """Whether one is the dense twin of the other: equal in all settings of a dense model."""
    if bool(config.model.experts) == bool(other.model.experts):
        return False
    return _dense(config) == _dense(other)


def _dense(config: Config) -> Config:
    """The settings that matter to a dense model; the others at their defaults."""
    twin = dense_twin(config)
    plain = type(twin.model)()
    routers = {
        name: getattr(plain, name)
        for name in (
            "moe_every",
            "top_k",
            "capacity_factor",
            "eval_capacity_factor",
            "batch_priority",
            "router_noise",
            "router",
            "balance",
            "balance_rate",
        )
    }
    loss = LossConfig(
        initial_temperature=twin.loss.initial_temperature,
        min_temperature=twin.loss.min_temperature,
        max_temperature=twin.loss.max_temperature,
    )
    rhythm = dataclasses.replace(
        twin.train,
        log_every=1,
        evaluate_every=0,
        checkpoint_every=1,
        keep_checkpoints=0,
        keep_period=0,
        probe_pairs=1,
        probe_every=1,
        tensorboard=False,
    )
    return dataclasses.replace(
        twin,
        model=dataclasses.replace(twin.model, **routers),
        loss=loss,
        train=rhythm,
        data=dataclasses.replace(twin.data, dir=None),
    )
