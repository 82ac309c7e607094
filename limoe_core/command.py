"""Command lines made from the config dataclasses."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from limoe_core.presets import PRESETS, preset

#: The name of a preset, whose help names them all.
PresetName = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME", help=f"Named settings to start from, one of {', '.join(PRESETS)}."
    ),
]


@dataclass(frozen=True)
class Help:
    """What `--help` says besides the options."""

    module: str
    """The module that `python -m` runs."""
    examples: str = ""
    """Command lines, each below what it does; `{program}` stands for the program."""

    @property
    def program(self) -> str:
        """The command as it was typed: `limoe-train`, or `python -m limoe_core.train`."""
        installed = f"limoe-{self.module.rpartition('.')[2]}"
        return installed if Path(sys.argv[0]).stem == installed else f"python -m {self.module}"

    def description(self, command: type[Any]) -> str:
        """The docstring of the command's dataclass, and the examples."""
        about = inspect.getdoc(command) or ""
        if not self.examples:
            return about
        examples = inspect.cleandoc(self.examples).replace("{program}", self.program)
        return f"{about}\n\nexamples:\n{textwrap.indent(examples, '  ')}"


def parse(command: type[Any], arguments: list[str] | None, about: Help) -> Any:
    """Parse a command; prints and exits for `--help` and for what it cannot understand."""
    return tyro.cli(
        command, args=arguments, prog=about.program, description=about.description(command)
    )


def parse_with_preset(
    command: type[Any], arguments: list[str] | None = None, about: Help | None = None
) -> Any:
    """Parse a command that has a `config` and a `preset`: the preset gives the config's defaults.

    Raises:
      ConfigError: for a preset that does not exist, or settings that cannot work.
    """
    about = about or Help(command.__module__)
    arguments = sys.argv[1:] if arguments is None else arguments
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=command.preset)
    name = first.parse_known_args(arguments)[0].preset
    values: dict[str, Any] = {"config": preset(name), "preset": name}
    if "run" in {field.name for field in dataclasses.fields(command)}:
        values["run"] = tyro.MISSING
    return tyro.cli(
        command,
        args=arguments,
        default=command(**values),
        prog=about.program,
        description=about.description(command),
    )
