"""Settings of a run that is resumed: those that may change, and those that it keeps."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.data.identity import data_of
from limoe_core.data.source import resolved
from limoe_core.runs import Run, RunError
from limoe_core.training.fitting import LOWERED

#: What may change when a run goes on: how long, how often, where its data lies, and how a step is
#: computed. Everything else would make another model or train on other data.
MAY_CHANGE = frozenset(
    {
        *("train.steps", "train.log_every", "train.evaluate_every", "train.checkpoint_every"),
        *("train.keep_checkpoints", "train.keep_period", "train.probe_every", "train.tensorboard"),
        # Where the content is the same:
        *("data.dir", "data.class_names", "data.damaged"),
        *("data.path", "data.image_column", "data.text_column", "data.workers"),
        *("model.remat", "model.attention", "model.expert_layout", "model.equal_blocks"),
        *("loss.contrastive_block", "train.shard"),
    }
)

#: Settings that one sentence names.
_NAMED = 4


def changed(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, such as `{"train.steps": (20, 40)}`."""
    before, after = old.to_dict(), new.to_dict()
    return {
        f"{part}.{name}": (value, after[part][name])
        for part, values in before.items()
        for name, value in values.items()
        if value != after[part][name]
    }


def settings_to_go_on(
    run: Run, asked: Config, init_from: str | os.PathLike[str] | None = None
) -> Config:
    """The settings that a run goes on with, when these are asked for.

    Args:
      init_from: the run that it is said to have started from, if any.

    Raises:
      ConfigError: one of them cannot change, or the run was trained for more steps already.
      RunError: its first parameters are not saved yet.
    """
    _check_origin(run, init_from)
    own = replace(run.config, data=data_of(run))
    may_change = MAY_CHANGE
    if _lies_elsewhere(own.data, asked.data):  # what it is called there says nothing
        asked = replace(asked, data=resolved(replace(asked.data, config="auto")))
        may_change |= {"data.name", "data.config"}
    elif asked.data.config == "auto":  # it was resolved when the run began
        asked = replace(asked, data=replace(asked.data, config=own.data.config))
    changes = changed(own, asked)
    if fixed := sorted(changes.keys() - may_change):
        told = ", ".join(
            f"{option(name)} {changes[name][1]} (it has {changes[name][0]})"
            for name in fixed[:_NAMED]
        )
        raise ConfigError(
            f"{run.name} cannot go on with {told}"
            + (f" and {len(fixed) - _NAMED} more" if len(fixed) > _NAMED else "")
            + "; leave such options out, or start another run"
        )
    newest = max(run.steps(), default=0)
    if "train.steps" in changes and asked.train.steps < newest:
        raise ConfigError(
            f"--train.steps {asked.train.steps} is fewer than the {newest} steps that {run.name} "
            "was trained for"
        )
    return asked


def _check_origin(run: Run, asked: str | os.PathLike[str] | None) -> None:
    origin = run.origin
    if asked is not None and (origin is None or not origin.is_named(asked)):
        raise ConfigError(
            f"{run.name} cannot go on with --init-from {asked} (it was started from "
            f"{origin or 'no other run'}); leave the option out, or start another run"
        )
    if origin is not None and not run.steps():
        raise RunError(
            f"{run.path} has no checkpoint yet, and was to start from {origin}: give the command "
            "that started it again, without --resume"
        )


def _lies_elsewhere(own: DataConfig, asked: DataConfig) -> bool:
    """Whether the user's own pairs are to be found in another place than when the run began."""
    places = [(data.path, data.image_column, data.text_column) for data in (own, asked)]
    return asked.path is not None and places[0] != places[1]


def check_preset(run: Run, name: str, config: Config) -> None:
    """Checks a preset that is named beside --resume; what may change is as in the run.

    Args:
      config: the settings that it gives, with the other options.

    Raises:
      ConfigError: they are not those of the run.
    """
    changes = changed(replace(run.config, data=data_of(run)), config)
    if config.data.config == "auto":
        changes.pop("data.config", None)
    if run.config.data.path is not None:  # the run has them from its pairs
        for name in ("data.name", "data.config", *LOWERED):
            changes.pop(name, None)
    if fixed := sorted(changes.keys() - MAY_CHANGE):
        before, after = changes[fixed[0]]
        raise ConfigError(
            f"--preset {name} does not fit {run.name}, which has {option(fixed[0])} {before} and "
            f"not {after}; leave it out, since a run that is resumed has settings of its own"
        )


def consequences(run: Run, config: Config) -> list[str]:
    """What the changed settings mean, in sentences."""
    own = replace(run.config, data=data_of(run))
    changes = changed(own, config)
    told = []
    if "train.steps" in changes:
        before, after = changes.pop("train.steps")
        told.append(
            f"trains for {after:,} steps instead of {before:,}: from here on the learning rate is "
            f"that of a run of {after:,} steps, so it may jump here"
        )
    if changes:
        told.append("goes on with " + ", ".join(f"{option(n)} {v[1]}" for n, v in changes.items()))
    return told


def option(name: str) -> str:
    """A setting as it is given on the command line."""
    return "--" + name.replace("_", "-")
