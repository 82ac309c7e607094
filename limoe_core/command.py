"""Command lines made from the config dataclasses."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import tyro

from limoe_core.presets import preset


def parse_with_preset(command: type[Any], arguments: list[str] | None = None) -> Any:
    """Parse a command that has a `config` and a `preset`: the preset gives the config's defaults.

    Raises:
      ConfigError: for a preset that does not exist, or settings that cannot work.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=command.preset)
    name = first.parse_known_args(arguments)[0].preset
    values: dict[str, Any] = {"config": preset(name), "preset": name}
    if "run" in {field.name for field in dataclasses.fields(command)}:
        values["run"] = tyro.MISSING
    default = command(**values)
    return tyro.cli(command, args=arguments, default=default, description=command.__doc__)
