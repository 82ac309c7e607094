"""What the command lines say of themselves, and how long that takes."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limoe_core import command, train
from limoe_core.presets import PRESETS
from limoe_core.runs import Run

COMMANDS = {"train": "Command", "evaluate": "Arguments", "plan": "Command", "ship": "Options"}

#: What takes a second or more to import, and is of no use to `--help`.
HEAVY = {"flax", "grain", "jax", "optax", "orbax", "pandas", "tensorflow_datasets"}


def dataclass_of(name: str) -> tuple[type[Any], command.Help]:
    module = importlib.import_module(f"limoe_core.{name}")
    return getattr(module, COMMANDS[name]), module.HELP


def said(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"limoe_core.{name}", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["train", "plan"])
def test_help_names_every_preset(name: str) -> None:
    listed = re.search(r"one of ([^.]*)\.", re.sub(r"[\s│]+", " ", said(name)))
    assert listed is not None
    assert listed[1].split(", ") == list(PRESETS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_shows_how_the_command_was_typed(name: str) -> None:
    found = said(name)
    assert f"usage: python -m limoe_core.{name} " in found
    assert f"\n  python -m limoe_core.{name} --" in found.split("examples:")[1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_example_is_understood(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.create("checkpoints/my-run", PRESETS["emoji-tiny"])  # for --resume
    step = run.path_of("parameters", 1) / "params"  # for --init-from
    step.mkdir(parents=True)
    (step / "_METADATA").touch()
    typed, about = dataclass_of(name)
    text = about.description(typed).split("examples:")[1].replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    examples = [line for line in lines if not line.startswith("#")]
    assert len(examples) == len(lines) - len(examples)  # each has a line that says what it does
    for example in examples:
        options = example.removeprefix(about.program).split(" > ")[0]
        has_preset = "preset" in {field.name for field in dataclasses.fields(typed)}
        parse = command.parse_with_preset if has_preset else command.parse
        assert isinstance(parse(typed, shlex.split(options), about), typed)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_does_not_wait_for_what_it_does_not_need(name: str) -> None:
    code = (
        "import sys\n"
        f"from limoe_core.{name} import main\n"
        "sys.argv = [sys.argv[0], '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_is_called_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    about = command.Help("limoe_core.train", "{program} --run r")
    assert about.program == "python -m limoe_core.train"
    for typed in ("/usr/local/bin/limoe-train", "limoe-train", "limoe-train.exe"):
        monkeypatch.setattr(sys, "argv", [typed, "--help"])
        assert about.program == "limoe-train"


def test_the_config_of_a_presets_data_is_not_that_of_another_set() -> None:
    typed, about = train.Command, train.HELP

    def config(*more: str) -> str:
        given = ["--run", "checkpoints/x", "--preset", "debug", *more]
        return command.parse_with_preset(typed, given, about).config.data.config

    assert config() == "base"
    assert config("--data.name", "my_photos") == "auto"
    assert config("--data.name", "my_photos", "--data.config", "base") == "base"


def test_a_preset_that_does_not_exist_is_answered_with_those_that_do() -> None:
    typed, about = dataclass_of("plan")
    with pytest.raises(ValueError, match="no preset 'B/17'; there are emoji-tiny"):
        command.parse_with_preset(typed, ["--preset", "B/17"], about)
