"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from limoe_core.files import replacing


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    with replacing(path) as temporary:
        temporary.write_text("new")
        temporary.chmod(0o600)
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == tmp_path.stat().st_mode & 0o666
    assert [p.name for p in tmp_path.iterdir()] == ["f.txt"]


def test_a_link_under_a_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("someone's own")
    (tmp_path / f".f.{os.getpid()}.txt").symlink_to(other)
    with replacing(tmp_path / "f.txt") as temporary:
        assert temporary.is_file() and not temporary.is_symlink()
        temporary.write_text("new")
    assert other.read_text() == "someone's own"
    assert not (tmp_path / "f.txt").is_symlink()
