"""Folders of the user, and which places of a run are followed."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from limoe_core import places
from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.data.location import data_directory
from limoe_core.data.source import check_place
from limoe_core.presets import preset
from limoe_core.runs import Run
from tests.conftest import ROOT

DEBUG = preset("debug")


@pytest.fixture(autouse=True)
def _a_user_who_named_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_named_here", set())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "own"))


def config_at(folder: Path, **more: str) -> Config:
    return replace(DEBUG, data=replace(DEBUG.data, dir=str(folder), **more))


def stranger(tmp_path: Path, config: Config) -> Run:
    """A run as another user's training leaves it."""
    run = Run.create(tmp_path / "runs" / "stranger", config)
    places._named_here.clear()
    (tmp_path / "cache" / "limoe-lens" / "named-places.json").unlink()
    return Run.open(run.path)


def test_places_that_only_the_run_names_are_not_followed(tmp_path: Path) -> None:
    names = tmp_path / "secret.txt"
    run = stranger(tmp_path, config_at(tmp_path / "theirs", class_names=str(names)))
    assert run.config.data == replace(DEBUG.data, dir=None, class_names=None)
    assert run.unfollowed == {
        "data.dir": str(tmp_path / "theirs"),
        "data.class_names": str(names),
    }


@pytest.mark.parametrize(
    "place", ["\x00", "~\x00", "a" * 100_000, "../" * 5000, "~nobody-here/x", ""]
)
def test_no_name_is_too_odd_to_be_asked(place: str) -> None:
    assert not places.is_named(place)


def test_ones_own_run_finds_its_data_in_later_processes(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "runs" / "mine", config_at(tmp_path / "mine"))
    places._named_here.clear()
    assert Run.open(run.path) == run
    assert run.config.data.dir == str(tmp_path / "mine")
    assert not run.unfollowed


def test_a_place_in_ones_own_data_directory_is_followed(tmp_path: Path) -> None:
    run = stranger(tmp_path, config_at(tmp_path / "own" / "below"))
    assert run.config.data.dir == str(tmp_path / "own" / "below")


def test_a_link_in_ones_own_data_directory_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "link").symlink_to(tmp_path / "theirs")
    assert stranger(tmp_path, config_at(tmp_path / "own" / "link")).config.data.dir is None
    assert not places.is_named(tmp_path / "own" / ".." / "theirs")


def test_without_a_cache_a_place_is_known_to_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    run = Run.create(tmp_path / "runs" / "mine", config_at(tmp_path / "mine"))
    assert run.config.data.dir == str(tmp_path / "mine")


@pytest.mark.parametrize("content", ["", "[]", '{"places": 3}', '{"places": [1]}', "\x00"])
def test_a_damaged_list_names_nothing(tmp_path: Path, content: str) -> None:
    folder = places.cache()
    assert folder is not None
    (folder / "named-places.json").write_text(content)
    assert not places.is_named(tmp_path)
    places.name(tmp_path)
    assert json.loads((folder / "named-places.json").read_text()) == {"places": [str(tmp_path)]}


def test_evaluate_says_where_the_runs_data_lay(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    run = stranger(tmp_path, config_at(theirs, name="their_set"))
    with pytest.raises(ConfigError, match="is not in") as told:
        check_place(run, run.config.data)
    assert f"if you trust it, add --data.dir {theirs}" in str(told.value)
    check_place(run, replace(run.config.data, dir=str(tmp_path)))


def test_a_set_that_can_be_built_elsewhere_alone_is_told_so_as_well(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    run = stranger(tmp_path, config_at(theirs, config="full"))  # whose art is not here
    with pytest.raises(ConfigError, match=f"needs art .* add --data.dir {theirs}"):
        check_place(run, run.config.data)
    check_place(run, replace(run.config.data, config="base"))  # of installed packages


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../b", "gs://a", "a//b", "a b", "", ".", "a:b", "a\n", "x" * 200]
)
def test_names_of_data_sets_lead_nowhere(name: str) -> None:
    with pytest.raises(ConfigError, match="data.name"):
        DataConfig(name=name)
    with pytest.raises(ConfigError, match="data.config"):
        DataConfig(config=name + "/..")


def test_names_as_people_write_them() -> None:
    for name in ("emoji", "coco_captions/2014", "cifar100:3.0.2", "a/5-shot.v2:1.0.0"):
        assert DataConfig(name=name).name == name
    with pytest.raises(ConfigError, match=r"data\.dir .* is not a folder of this machine"):
        DataConfig(dir="gs://bucket/data")


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME unset, and a user that the system has no entry of."""

    def nobody(_: object) -> object:
        raise KeyError("no such user")

    for name in ("HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


@pytest.mark.usefixtures("_homeless")
def test_a_user_without_a_home_is_told_what_to_name(tmp_path: Path) -> None:
    assert places.home() is None
    assert places.cache() is None
    with pytest.raises(ConfigError, match=r"no home folder .* --data\.dir"):
        data_directory(None)
    assert data_directory("~/x") == Path("~/x")
    run = Run.create(tmp_path / "run", DEBUG)
    with pytest.raises(ConfigError, match="no home folder"):
        data_directory(run.config.data.dir)


def test_a_home_that_cannot_be_written_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/proc")  # not even root may write there
    assert places.cache() is None


#: Runs a module as a user that the system does not know.
AS_NOBODY = """
import pwd, runpy, sys
def nobody(_):
    raise KeyError("no such user")
pwd.getpwuid = nobody
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize(
    "command",
    [
        ["limoe_core.evaluate", "--no-store", "--run"],
        ["limoe_core.train", "--preset", "debug", "--run"],
        ["limoe_core.data.fetch"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("home", [None, "/proc"], ids=["no home", "a home for nobody to write"])
def test_commands_without_a_home_end_in_a_sentence(
    tmp_path: Path, debug_run: Path, command: list[str], home: str | None
) -> None:
    left_out = ("HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    run = {"limoe_core.evaluate": debug_run, "limoe_core.train": tmp_path / "run"}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *command, *map(str, filter(None, [run.get(command[0])]))],
        cwd=ROOT,
        env=environment if home is None else {**environment, "HOME": home},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in said
    assert done.returncode in (1, 2)
    assert ("no home folder" if home is None else "cannot be") in said
