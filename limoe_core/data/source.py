"""Image-text pairs by settings: `load_pairs`."""

from __future__ import annotations

import os
from dataclasses import replace

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.dataset import DataSet, Reported
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet, PictureStore
from limoe_core.data.registry import data_set
from limoe_core.runs import Run

__all__ = [
    "ConceptTable",
    "PairSet",
    "PictureStore",
    "check_place",
    "load_pairs",
    "make_ready",
    "resolved",
]


def load_pairs(
    config: DataConfig,
    split: str,
    *,
    build: bool = True,
    progress: bool = True,
    side: int = SIDE,
) -> PairSet:
    """The pairs of one split of a data set.

    A set that can be built is built on first use, from files that are on this machine already. Any
    other must have been prepared with TFDS.

    Args:
      config: the data set and its place on disk.
      split: such as `train` or `validation`; for emoji also `test_concept` or `test_style`.
      build: whether to build a set that is missing.
      progress: whether to show progress bars.
      side: side of the square that pictures of other sets are fitted into, in pixels; see
        `limoe_core.data.pairs.stored_side`.

    Raises:
      ConfigError: the data set, its config or the split is missing; the message says what to do.
    """
    chosen = make_ready(config, build=build, progress=progress)
    return chosen.load(config, split, side=side, progress=progress)


def resolved(config: DataConfig) -> DataConfig:
    """The settings with all that depends on this machine decided, so that a run can keep them.

    Raises:
      ConfigError: there is nothing at `config.path`.
    """
    chosen = data_set(config)
    path = None if config.path is None else os.path.abspath(os.path.expanduser(config.path))
    return replace(config, name=chosen.name, config=chosen.resolve(config), path=path)


def make_ready(config: DataConfig, *, build: bool = True, progress: Reported = True) -> DataSet:
    """The data set, built if that can be done here and was not yet; see `load_pairs`."""
    chosen = data_set(config)
    if chosen.can_build and not chosen.is_ready(config):
        if not build:
            raise ConfigError(chosen.missing(config))
        chosen.build(config, progress=progress)
        return data_set(config)  # it may know more of itself now
    return chosen


def check_place(run: Run, config: DataConfig) -> None:
    """Tells where a run's data lay, if it is missing and that place is not followed unasked.

    Args:
      config: the settings to read it with.

    Raises:
      ConfigError: it is missing; the message says how to follow the run.
    """
    settings = ("data.path", "data.dir")
    stored = {name: run.unfollowed[name] for name in settings if name in run.unfollowed}
    if not stored or config.dir is not None or config.path is not None:
        return
    chosen = data_set(config)
    if chosen.is_ready(config):
        return
    if (why := chosen.cannot_build(config)) is not None:
        where = " and ".join(stored.values())
        options = " ".join(f"--{name} {place}" for name, place in stored.items())
        raise ConfigError(
            f"{why}; the run says that its data lay in {where}, which you have not named: if you "
            f"trust it, add {options}"
        )
