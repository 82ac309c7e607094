"""Command lines made from the config dataclasses."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from limoe_core.config import Config, ConfigError
from limoe_core.data.identity import data_of
from limoe_core.presets import PRESETS, preset
from limoe_core.runs import Run
from limoe_core.training.resume import check_preset, option
from limoe_core.training.source import Source

#: The name of a preset, whose help names them all.
PresetName = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME", help=f"Named settings to start from, one of {', '.join(PRESETS)}."
    ),
]

#: Settings that name other data than a trained run's.
_WHICH_DATA = ("data.name", "data.path")
#: Settings of parameters that a trained run gives.
_GIVEN_BY_SOURCE = ("loss.initial_temperature",)


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


def not_given(settings: Collection[str], arguments: list[str] | None = None) -> list[str]:
    """Those of some settings that the command line says nothing of.

    Args:
      settings: such as "data.batch_size".
    """
    words = sys.argv[1:] if arguments is None else arguments
    given = {word.partition("=")[0].replace("_", "-") for word in words}
    return [setting for setting in settings if option(setting) not in given]


def _require_absent(settings: Collection[str], arguments: list[str]) -> None:
    if given := sorted({*settings} - {*not_given(settings, arguments)}):
        raise ConfigError(
            f"{option(given[0])} does nothing with --init-from, which gives a trained value; "
            "leave it out"
        )


def parse_with_preset(
    command: type[Any], arguments: list[str] | None = None, about: Help | None = None
) -> Any:
    """Parse a command that has a `config` and a `preset`: the preset gives the config's defaults.

    With --resume, the run that is resumed gives them, so that an option that is not given is as
    in the run. A preset beside it must have the settings of the run. With --init-from and without
    a preset, the trained run gives them; its vocabulary goes before a preset's.

    Raises:
      ConfigError: for a preset that does not exist or does not fit, or settings that cannot work.
      RunError: there is no run to resume, or to start from.
    """
    about = about or Help(command.__module__)
    arguments = sys.argv[1:] if arguments is None else arguments
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset")
    first.add_argument("--run")
    first.add_argument("--resume", action="store_true")
    first.add_argument("--init-from", "--init_from")
    first.add_argument("--new-vocabulary", "--new_vocabulary", action="store_true")
    found, _ = first.parse_known_args(arguments)
    fields = {field.name for field in dataclasses.fields(command)}
    values: dict[str, Any] = {"run": tyro.MISSING} if "run" in fields else {}

    def parsed(config: Config, preset_name: str) -> Any:
        options = tyro.cli(
            command,
            args=arguments,
            default=command(**values, config=config, preset=preset_name),
            prog=about.program,
            description=about.description(command),
        )
        data = options.config.data
        if data.name == config.data.name or any(a.startswith("--data.config") for a in arguments):
            return options
        # The preset's config, such as `base` of emoji, is none of the set that was named instead.
        auto = replace(options.config, data=replace(data, config="auto"))
        return replace(options, config=auto)

    name = found.preset or command.preset
    if not (found.resume and found.run and "resume" in fields):
        base = preset(name)
        if found.init_from and "init_from" in fields:
            _require_absent(_GIVEN_BY_SOURCE, arguments)
            other_data = len(not_given(_WHICH_DATA, arguments)) < len(_WHICH_DATA)
            own = Source.named(found.init_from).settings(other_data=other_data)
            vocabulary = base.model if found.new_vocabulary else own.model
            model = replace(base.model, vocab_size=vocabulary.vocab_size)
            base = replace(base, model=model) if found.preset else own
        return parsed(base, name)
    run = Run.open(found.run)
    if found.preset:
        check_preset(run, name, parsed(preset(name), name).config)
    return parsed(replace(run.config, data=data_of(run)), name)
