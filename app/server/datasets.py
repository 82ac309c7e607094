"""Data sets on this machine."""

from __future__ import annotations

from limoe_core.config import DataConfig


def is_built(config: DataConfig) -> bool:
    """Whether the data set is on this machine; looks at folders alone."""
    from limoe_core.data.location import data_directory

    if config.name != "emoji":
        return False
    folder = data_directory(config.dir) / "emoji"
    names = ("full", "base") if config.config == "auto" else (config.config,)
    return any(any((folder / name).glob("*/dataset_info.json")) for name in names)
