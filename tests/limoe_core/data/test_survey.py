"""The survey of pictures: made once for the same files, and never taken for that of others."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limoe_core.data import survey as module
from limoe_core.data.survey import survey


class Records:
    """Pictures by number, and how often they were read."""

    def __init__(self, *pictures: bytes) -> None:
        self.pictures = pictures
        self.read = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitems__(self, places: list[int]) -> list[dict[str, bytes]]:
        self.read += len(places)
        return [{"image": self.pictures[place]} for place in places]


def jpeg(shade: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), shade, np.uint8)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that records could lie in, and a cache beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "data" / "train.array_record"
    path.parent.mkdir()
    path.write_bytes(b"records")
    return path


def test_a_truncated_picture_is_found_and_does_not_count(file: Path) -> None:
    whole = [jpeg(shade) for shade in (10, 90, 200)]
    found = survey(Records(whole[0], whole[1][:-9], whole[1], whole[2]), [file], "train")
    assert list(found.damaged) == [1]
    assert "damaged" in found.damaged[1]
    file.write_bytes(b"without it")
    again = survey(Records(*whole), [file], "train")
    assert again.content == found.content
    assert again.damaged == {}


def test_the_same_files_are_surveyed_once(file: Path, tmp_path: Path) -> None:
    first = Records(jpeg(1), b"no picture")
    found = survey(first, [file], "train")
    second = Records(jpeg(1), b"no picture")
    assert survey(second, [file], "train") == found
    assert (first.read, second.read) == (2, 0)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


@pytest.mark.parametrize("change", ["content", "time", "records", "damage"])
def test_other_files_are_surveyed_anew(file: Path, tmp_path: Path, change: str) -> None:
    survey(Records(jpeg(1)), [file], "train")
    records = Records(jpeg(2))
    if change == "content":
        file.write_bytes(b"other records")
    if change == "time":
        os.utime(file, ns=(1, 1))
    if change == "records":
        records = Records(jpeg(2), jpeg(3))
    if change == "damage":
        (kept,) = (tmp_path / "cache").rglob("*.json")
        kept.write_text(json.dumps({"of": 3})[:-2])
    survey(records, [file], "train")
    assert records.read == len(records)


def test_copies_are_found_byte_by_byte(file: Path) -> None:
    first, second, third = (jpeg(shade) for shade in (10, 90, 200))
    pictures = (second, first, second, first[:-9], third, first, first[:-9], second)
    found = survey(Records(*pictures), [file], "train")
    assert sorted(found.copies) == [(0, 2, 7), (1, 5)]  # damaged ones are no copies
    assert survey(Records(*pictures), [file], "train") == found  # as it is kept


def test_a_survey_needs_no_cache(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    found = survey(Records(jpeg(1)), [file], "train")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(module.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert survey(Records(jpeg(1)), [file], "train") == found
