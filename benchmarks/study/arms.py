"""The study's recipe and its arms, as docs/study/plan.md lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from limoe_core.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from limoe_core.presets import dense_twin

STEPS = 800
#: A run is saved after each of so many parts.
PARTS = 8


def with_steps(config: Config, steps: int) -> Config:
    """A recipe of so many steps.

    Raises:
      ValueError: it has no middle that is saved, which another run could start from.
    """
    if steps <= 0 or steps % PARTS:
        raise ValueError(f"a run of the study has a multiple of {PARTS} steps, not {steps}")
    train = replace(config.train, steps=steps, checkpoint_every=steps // PARTS, probe_every=steps)
    return replace(config, train=train)


_ANY_LENGTH = Config(
    model=ModelConfig(
        image_size=32,
        patch_size=4,
        text_length=12,
        vocab_size=4096,
        width=64,
        layers=4,
        heads=2,
        mlp_dim=192,
        embed_dim=64,
        experts=8,
        capacity_factor=1.5,
    ),
    loss=LossConfig(),
    optimizer=OptimizerConfig(name="muon", learning_rate=3e-3, warmup_steps=50),
    data=DataConfig(
        name="emoji", config="full", batch_size=128, captions_per_image=1, english_share=0.5
    ),
    train=TrainConfig(log_every=10, evaluate_every=0, keep_checkpoints=1, probe_pairs=12),
)
RECIPE = with_steps(_ANY_LENGTH, STEPS)

#: Auxiliary losses of the paper, by what they are for.
_BALANCE = ("importance", "load")
_ENTROPY = ("local_entropy_text", "global_entropy_image", "global_entropy_text")


@dataclass(frozen=True)
class Arm:
    """What one arm does otherwise than the recipe."""

    name: str
    change: Callable[[Config], Config]
    start: str = ""
    """The arm whose run of the same seed, at half its steps, it starts from; "" for none."""

    def config(self, seed: int, recipe: Config = RECIPE) -> Config:
        """The settings of the run with that seed."""
        config = self.change(recipe)
        # Pictures of a second half come in another order than those of the first.
        own = seed + 10_000 if self.start else seed
        return replace(config, train=replace(config.train, seed=own))


def middle(recipe: Config) -> int:
    """The step that a second half starts from."""
    return recipe.train.steps // 2


def _model(**settings: Any) -> Callable[[Config], Config]:
    return lambda config: replace(config, model=replace(config.model, **settings))


def _without(*losses: str) -> Callable[[Config], Config]:
    off: dict[str, Any] = dict.fromkeys(losses, 0.0)
    return lambda config: replace(config, loss=replace(config.loss, **off))


def _no_losses(config: Config) -> Config:
    return _without("z_loss", *_BALANCE, *_ENTROPY)(config)


def _unbalanced(**settings: Any) -> Callable[[Config], Config]:
    """No auxiliary loss, and another router or balance."""
    return lambda config: _model(**settings)(_no_losses(config))


def _dense(config: Config) -> Config:
    twin = dense_twin(config)
    # Its middle is what `upcycled` starts from.
    return replace(twin, train=replace(twin.train, keep_period=middle(config)))


def _dense_wide(config: Config) -> Config:
    model = config.model
    hidden = model.experts * model.expert_hidden
    return _model(experts=0, expert_dim=hidden)(config)


def _second_half(config: Config) -> Config:
    return replace(config, train=replace(config.train, steps=middle(config)))


_ALL = (
    Arm("limoe", lambda config: config),
    Arm("dense", _dense),
    Arm("balance", _without(*_ENTROPY)),
    Arm("no-losses", _no_losses),
    Arm("no-local-text", _without("local_entropy_text")),
    Arm("no-global-image", _without("global_entropy_image")),
    Arm("no-global-text", _without("global_entropy_text")),
    Arm("no-priority", _model(batch_priority=False)),
    Arm("loss-free", _unbalanced(balance="all")),
    Arm("loss-free-modality", _unbalanced(balance="modality")),
    Arm("frozen", _unbalanced(router="frozen")),
    Arm("hash", _unbalanced(router="hash")),
    Arm("dense-wide", _dense_wide),
    Arm("upcycled", _second_half, start="dense"),
    Arm("experts-4", _model(experts=4)),
    Arm("experts-16", _model(experts=16)),
    Arm("experts-32", _model(experts=32)),
    Arm("patches-16", _model(patch_size=8)),
    Arm("patches-256", _model(patch_size=2)),
)
#: By name, in the order in which the runs of a seed are made.
ARMS: dict[str, Arm] = {arm.name: arm for arm in _ALL}
