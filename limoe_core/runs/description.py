"""config.json: what a run says of itself before anything else of it is read."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from limoe_core import places
from limoe_core.config import Config, ConfigError
from limoe_core.runs.files import (
    CONFIG,
    MOST_CONFIG,
    RUN_FORMAT,
    TRAINED_FORMAT,
    RunError,
    is_there,
    read_json,
)
from limoe_core.runs.origin import Origin
from limoe_core.runs.other_models import OtherModel

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "sentencepiece",
    "numpy",
)


class Description(NamedTuple):
    """What config.json says; see the fields of `Run`."""

    settings: Config | None
    info: dict[str, Any]
    unfollowed: Mapping[str, str]
    other: OtherModel | None


def describe(
    config: Config,
    *,
    data: Mapping[str, Any] | None,
    parameters: int | None,
    origin: Origin | None,
) -> dict[str, Any]:
    """config.json of a run that starts now."""
    return {
        "format": TRAINED_FORMAT,
        "config": config.to_dict(),
        "data": dict(data or {}),
        "versions": _versions(),
        "seed": config.train.seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters,
        **_told_of(origin),
    }


def describe_anew(
    info: Mapping[str, Any],
    config: Config,
    *,
    data: Mapping[str, Any],
    parameters: int | None,
    origin: Origin | None,
) -> dict[str, Any]:
    """config.json of a run that goes on with other settings; `info` is what it said so far."""
    changed = {"data": dict(data), "seed": config.train.seed, "parameters": parameters}
    kept = {name: value for name, value in info.items() if name != "init_from"}
    return {**kept, **changed, **_told_of(origin), "config": config.to_dict()}


def read(place: Path, within: Path) -> Description:
    """What the config.json of the folder `place` says.

    Raises:
      RunError: it is missing, foreign, damaged, out of `within`, or written by a newer version.
    """
    if not os.path.lexists(place):
        raise RunError(f"there is no run at {place}")
    if os.path.isfile(place):
        raise RunError(f"{place} is a file; a run is a folder with a config.json")
    if os.path.isdir(place) and not is_there(place / CONFIG):
        raise RunError(f"{place} is not a run: it has no config.json")
    info = read_json(place / CONFIG, MOST_CONFIG, within)
    form = info.get("format")
    if type(form) is not int or not {"config", "recorded"} & info.keys():
        raise RunError(f"{place}/config.json is not that of a LIMoE Lens run")
    if form > RUN_FORMAT:
        raise RunError(
            f"{place} was written by a newer version (format {form}, this one reads up to "
            f"{RUN_FORMAT}); update LIMoE Lens to open it"
        )
    if "config" not in info:
        _require_types(place, info)
        return Description(None, info, {}, _other(place, info["recorded"]))
    try:
        config = Config.from_dict(info["config"])
    except ConfigError as error:
        raise RunError(f"{place}/config.json: {error}") from error
    followed, unfollowed = _without_strange_places(config)
    rest = {key: value for key, value in info.items() if key != "config"}
    _require_types(place, rest)
    return Description(followed, rest, unfollowed, None)


def check_name(name: str) -> None:
    """Refuses what is no plain folder name.

    Raises:
      RunError: it is none.
    """
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise RunError(f"{name!r} is no name for a run: use a plain folder name such as 'my-run'")


def _other(place: Path, said: Any) -> OtherModel:
    try:
        return OtherModel.read(said)
    except ValueError as error:
        raise RunError(f"{place}/config.json: {error}") from error


def _told_of(origin: Origin | None) -> dict[str, Any]:
    return {} if origin is None else {"init_from": origin.to_dict()}


def _without_strange_places(config: Config) -> tuple[Config, dict[str, str]]:
    """The settings without the places that the user never named, and those places by option."""
    strange = {
        setting: place
        for setting, place in config.data.places.items()
        if not places.is_named(place)
    }
    if strange:
        config = replace(config, data=config.data.without_places(*strange))
    return config, {f"data.{setting}": place for setting, place in strange.items()}


def _require_types(place: Path, info: Mapping[str, Any]) -> None:
    """Refuses what config.json says of a run besides its settings, where it is of another type.

    Raises:
      RunError: it is.
    """
    kinds = {"data": dict, "versions": dict, "created": str, "seed": int, "parameters": int}
    kinds |= {"init_from": dict}
    for name, kind in kinds.items():
        if type(info.get(name)) not in (kind, NoneType):
            raise RunError(f"{place}/config.json: {name} is a {type(info[name]).__name__}")
    if not isinstance((info.get("data") or {}).get("name", ""), str):
        raise RunError(f"{place}/config.json: the name of the data is no text")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
