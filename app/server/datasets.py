"""Data sets on this machine."""

from __future__ import annotations

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.registry import data_set


def is_built(config: DataConfig) -> bool:
    """Whether the data set is on this machine, with pictures that training never saw."""
    chosen = data_set(config)
    return bool(chosen.unseen) and _is_ready(config)


def can_build(config: DataConfig) -> bool:
    """Whether it could be built here, to show those pictures."""
    chosen = data_set(config)
    return bool(chosen.unseen) and chosen.can_build and not _is_ready(config)


def _is_ready(config: DataConfig) -> bool:
    try:
        return data_set(config).is_ready(config)
    except ConfigError:  # there is no folder for it: building says so
        return False
