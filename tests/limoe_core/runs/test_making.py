"""Folders that appear whole or not at all, and what killed makers of them leave."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from limoe_core.locks import locked
from limoe_core.runs import Run
from limoe_core.runs.making import made
from tests.limoe_core.runs.examples import DEBUG


def leave(folder: Path, name: str, *, age: float, filling: bool = True) -> Path:
    """What a maker of `name` that was killed leaves."""
    left = folder / f".{name}.new-abcd_{len(list(folder.iterdir())):03}"
    left.mkdir()
    (left / "part").write_bytes(b"half")
    if filling:
        (left / ".filling").touch()
    os.utime(left, (time.time() - age,) * 2)
    return left


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with made(tmp_path / "a" / "b") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert [each.name for each in (tmp_path / "a" / "b").iterdir()] == ["file"]
    with pytest.raises(ZeroDivisionError), made(tmp_path / "c"):
        _ = 1 / 0
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("filling", [True, False])
def test_what_a_killed_maker_left_goes_and_nothing_else(tmp_path: Path, filling: bool) -> None:
    gone = leave(tmp_path, "run", age=3_600, filling=filling)
    kept = [
        leave(tmp_path, "run", age=0, filling=filling),  # perhaps just begun
        leave(tmp_path, "run.2", age=3_600),
        leave(tmp_path, "ru", age=3_600),
    ]
    busy = leave(tmp_path, "run", age=3_600)
    with locked(busy / ".filling"):
        os.utime(busy, (time.time() - 3_600,) * 2)
        Run.create(tmp_path / "run", DEBUG)
    assert not gone.exists()
    assert all(each.exists() for each in (*kept, busy))


def test_a_fifo_in_the_place_of_the_lock_is_not_waited_for(tmp_path: Path) -> None:
    left = leave(tmp_path, "run", age=0, filling=False)
    os.mkfifo(left / ".filling")
    os.utime(left, (time.time() - 3_600,) * 2)
    with made(tmp_path / "run"):
        pass
    assert (tmp_path / "run").is_dir()
