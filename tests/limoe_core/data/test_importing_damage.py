"""Your own pairs: sources that are not as they say."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import ConfigError
from limoe_core.data.importing.files import inside
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Problem, Record
from limoe_core.data.importing.rows import Row, read_rows
from limoe_core.data.source import load_pairs
from tests.limoe_core.data import own_pairs
from tests.limoe_core.data.imports import all_splits, imported, records, settings, texts
from tests.limoe_core.data.own_pairs import COUNT, picture


def test_damaged_missing_empty_and_foreign_are_counted_and_named(tmp_path: Path) -> None:
    rows = [("file_name", "text"), *zip(own_pairs.names(), own_pairs.captions(), strict=True)]
    source = own_pairs.table(tmp_path / "things", [*rows, ("none.png", "x"), ("00.png", "")])
    (source / "03.png").write_bytes(picture(3)[:40])
    with (source / "metadata.csv").open("ab") as file:
        file.write(b"05.png,se\xf1or\n")
    _, report = imported(source)
    assert report.pictures == COUNT - 1 and report.empty_texts == 1
    assert report.damaged_pictures.count == 2
    assert any("none.png: there is no such file" in each for each in report.damaged_pictures.first)
    assert any(each.startswith("03.png: ") for each in report.damaged_pictures.first)
    assert report.damaged_texts.first == ["metadata.csv, line 16: it is not UTF-8"]
    with pytest.raises(ConfigError, match=r"data\.damaged skip"):
        load_pairs(settings(source, damaged="refuse"), "train", progress=False)


def test_long_texts_are_cut_and_long_classes_left_out(tmp_path: Path) -> None:
    rows = [
        ("file_name", "text", "label"),
        ("00.png", "x" * 5_000, "a"),
        ("01.png", "y", "b" * 999),
    ]
    rows += [(name, "z", "c") for name in own_pairs.names()[2:]]
    config, report = imported(own_pairs.table(tmp_path / "things", rows))
    assert report.long_texts == 1 and report.damaged_texts.count == 1
    names = [each.concepts.names["en"] for each in all_splits(config, report).values()]
    assert max(len(name) for found in names for name in found) == 1_000


def test_damage_can_end_an_import_and_leaves_nothing(tmp_path: Path) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    (source / "03.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"03\.png: .*data\.damaged skip"):
        imported(source, damaged="refuse")
    assert not list((tmp_path / "data" / "imported").glob("*/1.0.0"))


@pytest.mark.parametrize("name", ["../out.png", "/etc/passwd", "a/../../out.png", "link.png"])
def test_tables_name_no_file_outside_their_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(picture(0))
    source = own_pairs.table(tmp_path / "things", [("file_name", "text"), (name, "x")])
    (source / "link.png").symlink_to(tmp_path / "out.png")
    with pytest.raises(ConfigError, match="line 2 names the file .*, which is not in"):
        records(source)


def test_accents_of_file_names_may_be_composed_or_not(tmp_path: Path) -> None:
    source = own_pairs.table(tmp_path / "things", [("file_name", "text"), ("\u00e9.png", "x")])
    (source / "e\u0301.png").write_bytes(picture(0))
    with (source / "metadata.csv").open("a") as file:
        file.write("x" * 300 + ".png,too long a name\n")
    assert len(texts(source)) == 1


@given(st.text(st.sampled_from("./ab\\\0~"), max_size=12))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    root = Path("/nowhere/at all")
    try:
        found = inside(root, root / "below", name, "row 1")
    except ConfigError:
        return
    assert found.is_relative_to(root) and ".." not in found.parts


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=1))
def test_every_text_of_a_csv_file_is_read_as_it_was_written(values: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metadata.csv"
        with file.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerows([("file_name", "text"), *(("1.png", value) for value in values)])
        found = [row.values["text"] for row in read_rows(file, "here") if isinstance(row, Row)]
    assert found == values


def test_links_that_lead_out_are_refused_and_pipes_not_waited_for(tmp_path: Path) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals")
    os.mkfifo(source / "owl" / "pipe.png")
    assert sum(isinstance(found, Record) for found in records(source)) == COUNT
    (tmp_path / "elsewhere").mkdir()
    (source / "hare").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="hare is a link that leads out of"):
        recognise(place_of(source))


def test_other_encodings_are_named(tmp_path: Path) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    text = (source / "metadata.csv").read_text()
    (source / "metadata.csv").write_text(text, encoding="utf-16")
    with pytest.raises(ConfigError, match=r"metadata\.csv is UTF-16 and not UTF-8"):
        recognise(place_of(source))
    beside = own_pairs.texts_folder(tmp_path / "beside")
    (beside / "00.txt").write_bytes(b"one\nse\xf1or\n")
    problems = [each for each in records(beside) if isinstance(each, Problem)]
    assert [each.where for each in problems] == ["00.txt, line 2"]


def test_a_tar_that_is_cut_short_gives_what_comes_before(tmp_path: Path) -> None:
    whole = own_pairs.tar_folder(tmp_path / "tars") / "0000.tar"
    whole.write_bytes(whole.read_bytes()[:5000])
    found = records(whole)
    assert any(isinstance(each, Record) for each in found)
    assert any(isinstance(each, Problem) and "cut short" in each.why for each in found)
