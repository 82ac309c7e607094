"""Your own pairs: every kind of source, splits by content, and sources that are not as they say."""

from __future__ import annotations

import csv
import importlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.importing import splits
from limoe_core.data.importing.dataset import ImportedSet
from limoe_core.data.importing.files import inside
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Problem, Record
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.rows import Row, read_rows
from limoe_core.data.pairs import PairSet
from limoe_core.data.source import load_pairs, make_ready, resolved
from tests.limoe_core.data import own_pairs
from tests.limoe_core.data.own_pairs import CAPTIONED, COUNT, add, picture
from tests.limoe_core.data.small_sets import write_cifar100


def settings(source: Path, **more: str) -> DataConfig:
    """Settings of a source, with a data directory beside it."""
    return resolved(DataConfig(path=str(source), dir=str(source.parent / "data"), **more))


def imported(source: Path, **more: str) -> tuple[DataConfig, Report]:
    config = settings(source, **more)
    chosen = make_ready(config, progress=False)
    assert isinstance(chosen, ImportedSet)
    return config, chosen.report(config)


def records(source: Path, **columns: str) -> list[Record | Problem]:
    sources = recognise(place_of(source, **columns))
    return [found for each in sources for found in each.records()]


def texts(source: Path, **columns: str) -> list[list[tuple[str, str]]]:
    """Languages and captions of each picture."""
    return [
        [(caption.language, caption.text) for caption in record.captions]
        for record in records(source, **columns)
        if isinstance(record, Record)
    ]


def all_splits(config: DataConfig, report: Report) -> dict[str, PairSet]:
    return {split: load_pairs(config, split, progress=False) for split in report.splits}


# ---- kinds


@pytest.mark.parametrize("write", CAPTIONED.values(), ids=CAPTIONED)
def test_every_kind_gives_the_same_pictures_and_captions(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = records(write(tmp_path / "things"))
    assert all(isinstance(record, Record) for record in found)
    said = {r.picture: [c.text for c in r.captions] for r in found if isinstance(r, Record)}
    assert said == {picture(i): [text] for i, text in enumerate(own_pairs.captions())}


def test_kinds_with_the_same_content_have_the_same_digests(tmp_path: Path) -> None:
    digests = set()
    for kind in ("csv", "tars"):
        config, report = imported(CAPTIONED[kind](tmp_path / kind / "things"))
        pairs = all_splits(config, report)
        digests.add(tuple(sorted((split, each.digest) for split, each in pairs.items())))
    assert len(digests) == 1
    assert sum(map(len, pairs.values())) == COUNT


def test_folders_named_by_class(tmp_path: Path) -> None:
    config, report = imported(own_pairs.classes_folder(tmp_path / "animals"))
    assert report.classes == ["owl", "red_fox"] and report.labelled
    train = load_pairs(config, "train", progress=False)
    assert train.concepts.names["en"].tolist() == ["owl", "red fox"]
    assert set(train.concept.tolist()) == {0, 1}
    assert train.pictures.batch([0, 1]).shape == (2, 72, 72, 4)


def test_folders_named_by_split_above_classes(tmp_path: Path) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals", {"train": 0, "val": 0, "test": 0})
    assert {r.split for r in records(source) if isinstance(r, Record)} == {
        "train",
        "validation",
        "test",
    }


def test_a_table_of_another_purpose_is_no_hindrance(tmp_path: Path) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals")
    (source / "labels.csv").write_text("id,weight\n1,2\n")
    assert [each.kind for each in recognise(place_of(source))] == [
        "pictures in folders named by their class"
    ]


def test_class_files_and_json_of_tars(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-00.tar", "w") as tar:
        add(tar, "a/0001.jpg", picture(0, "JPEG"))
        add(tar, "a/0001.cls", b"owl\n")
        add(tar, "a/0002.png", picture(1))
        add(tar, "a/0002.json", b'{"caption": ["one", "two"], "category": "birds"}')
    first, second = records(tmp_path / "train-00.tar")
    assert isinstance(first, Record) and isinstance(second, Record)
    assert (first.label, first.split) == ("owl", "train")
    assert [caption.text for caption in second.captions] == ["one", "two"]
    assert second.category == "birds"


def test_texts_of_a_tar_may_name_their_language(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "red.png", picture(0))
        add(tar, "red.txt", b"a red field")
        add(tar, "red.es.txt", b"un campo rojo")
        add(tar, "blue.png", picture(1))
        add(tar, "blue.png.txt", b"a blue field")
    assert texts(tmp_path / "a.tar") == [
        [("en", "a red field"), ("es", "un campo rojo")],
        [("en", "a blue field")],
    ]


def test_files_of_a_sample_need_not_be_neighbours_in_a_tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        for i in range(3):
            add(tar, f"./{i}.txt", b"text %d" % i)
        for i in range(3):
            add(tar, f"./{i}.png", picture(i))
    found = [(r.picture, r.captions[0].text) for r in records(tmp_path) if isinstance(r, Record)]
    assert found == [(picture(i), f"text {i}") for i in range(3)]


def test_labels_of_parquet_have_their_names(tmp_path: Path) -> None:
    about = b'{"info": {"features": {"label": {"names": ["owl", "hare"], "_type": "ClassLabel"}}}}'
    rows = pa.table({"image": [picture(0), picture(1)], "label": [1, 0]})
    pq.write_table(rows.replace_schema_metadata({b"huggingface": about}), tmp_path / "a.parquet")
    assert [r.label for r in records(tmp_path) if isinstance(r, Record)] == ["hare", "owl"]


def test_a_set_that_tfds_prepared_is_named_by_its_place(tmp_path: Path) -> None:
    by_name = write_cifar100(tmp_path / "tfds")
    wanted = load_pairs(by_name, "test", progress=False)
    for place in ("cifar100", "cifar100/1.0.0"):
        config = resolved(DataConfig(path=str(tmp_path / "tfds" / place)))
        assert config.name == "cifar100"
        assert load_pairs(config, "test", progress=False).digest == wanted.digest


def test_a_folder_without_pairs_says_what_there_may_be(tmp_path: Path) -> None:
    own_pairs.write_pictures(tmp_path / "bare", own_pairs.names())
    with pytest.raises(ConfigError, match=r"no pairs are found in .*metadata\.csv"):
        recognise(place_of(tmp_path / "bare"))
    with pytest.raises(ConfigError, match="there is no"):
        place_of(tmp_path / "nothing")


# ---- captions and columns


def test_several_captions_come_from_rows_lists_and_lines(tmp_path: Path) -> None:
    rows = [("image", "caption"), ("00.png", "one"), ("01.png", "x"), ("00.png", "two")]
    by_rows = texts(own_pairs.table(tmp_path / "rows", rows, "captions.csv"))
    assert by_rows == [[("en", "one"), ("en", "two")], [("en", "x")]]
    folder = tmp_path / "lines"
    own_pairs.write_pictures(folder, ["1.png"])
    (folder / "1.txt").write_text("one\n\ntwo\n")
    (folder / "1.de.txt").write_text("eins\n")
    assert texts(folder) == [[("de", "eins"), ("en", "one"), ("en", "two")]]
    own_pairs.write_pictures(tmp_path / "lists", ["1.png"])
    line = '{"file_name": "1.png", "text": [{"raw": "one"}, {"de": "eins"}]}'
    (tmp_path / "lists" / "metadata.jsonl").write_text(line)
    assert texts(tmp_path / "lists") == [[("en", "one"), ("de", "eins")]]


def test_languages_come_from_columns_of_texts_or_a_column_of_its_own(tmp_path: Path) -> None:
    rows = [("file_name", "text_en", "text_de", "text_id"), ("00.png", "owl", "Eule", "burung")]
    said = [[("en", "owl"), ("de", "Eule"), ("id", "burung")]]
    assert texts(own_pairs.table(tmp_path / "columns", rows)) == said
    rows = [("file_name", "text", "language"), ("00.png", "owl", "en"), ("00.png", "Eule", "de")]
    assert texts(own_pairs.table(tmp_path / "rows", rows)) == [said[0][:2]]
    rows = [("file_name", "text", "caption_id"), ("00.png", "owl", "17")]
    assert texts(own_pairs.table(tmp_path / "id", rows)) == [said[0][:1]]


def test_a_picture_without_a_caption_in_a_language_has_another(tmp_path: Path) -> None:
    rows = [("file_name", "text_de", "text_en")]
    rows += [(name, f"Ding {i}", f"thing {i}") for i, name in enumerate(own_pairs.names())]
    rows[1] = ("00.png", "", "thing 0")
    config, report = imported(own_pairs.table(tmp_path / "things", rows))
    assert report.languages == {"de": COUNT - 1, "en": COUNT} and report.empty_texts == 1
    named = {}
    for pairs in all_splits(config, report).values():
        assert list(pairs.concepts.names) == ["en", "de"]
        named |= dict(zip(pairs.concepts.names["en"], pairs.concepts.names["de"], strict=True))
    assert named["thing 0"] == "thing 0" and named["thing 3"] == "Ding 3"


def test_columns_can_be_named(tmp_path: Path) -> None:
    rows = [("where", "what"), ("00.png", "an owl")]
    source = own_pairs.table(tmp_path / "odd", rows)
    with pytest.raises(ConfigError, match=r"image-column.*'where', 'what'"):
        recognise(place_of(source))
    assert texts(source, image_column="where", text_column="what") == [[("en", "an owl")]]
    with pytest.raises(ConfigError, match="no column 'which'"):
        recognise(place_of(source, image_column="which"))


def test_splits_and_categories_come_from_columns(tmp_path: Path) -> None:
    rows = [("file_name", "text", "split", "category")]
    said = zip(own_pairs.names(), ["train", "val", "test"] * (COUNT // 3), strict=True)
    rows += [(name, f"t{name}", side, "ab"[side == "test"]) for name, side in said]
    config, report = imported(own_pairs.table(tmp_path / "things", rows))
    assert report.splits == {"train": 4, "validation": 4, "test": 4} and report.categories == 2
    assert set(load_pairs(config, "test", progress=False).category.tolist()) == {"b"}
    rows[1] = (*rows[1][:2], "restval", "a")
    with pytest.raises(ConfigError, match="line 2: the split 'restval'"):
        records(own_pairs.table(tmp_path / "odd", rows))


# ---- what cannot be used


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


# ---- copies and splits


def test_copies_are_kept_once_with_all_their_captions(tmp_path: Path) -> None:
    rows = [("file_name", "text"), *zip(own_pairs.names(), own_pairs.captions(), strict=True)]
    source = own_pairs.table(tmp_path / "things", [*rows, ("copy.png", "the same")])
    (source / "copy.png").write_bytes(picture(7))
    config, report = imported(source)
    assert report.pictures == COUNT and report.copies.first == ["copy.png of 07.png"]
    said = {}
    for pairs in all_splits(config, report).values():
        said |= dict(zip(pairs.concepts.names["en"], pairs.concepts.aliases, strict=True))
    assert said["thing number 7"] == ("the same",)


def test_copies_of_two_classes_stay_on_one_side(tmp_path: Path) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals")
    for i in range(COUNT // 2):  # every owl is a fox, too
        (source / "red_fox" / f"{i}.png").write_bytes((source / "owl" / f"{i}.png").read_bytes())
    config, report = imported(source)
    assert report.copies_between_classes == COUNT // 2 and report.copies_between_splits == 0
    pairs = all_splits(config, report)
    contents = [
        {bytes(p) for p in each.pictures.batch(range(len(each)))} for each in pairs.values()
    ]
    assert sum(map(len, contents)) == len(set().union(*contents)) == COUNT // 2
    for each in pairs.values():
        assert each.copy is not None
        shown = [bytes(p) for p in each.pictures.batch(range(len(each)))]
        same = [[mine == other for other in shown] for mine in shown]
        np.testing.assert_array_equal(each.copy[:, None] == each.copy, same)


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=40).filter(lambda c: len({*c}) > 3),
    st.randoms(use_true_random=False),
)
def test_cut_splits_depend_on_content_alone(contents: list[int], random: st.DataObject) -> None:
    def cut(values: list[int]) -> dict[int, int]:
        given = np.full(len(values), splits.NONE, np.int8)
        found = splits.cut(np.array(values, np.uint64), given)
        sides = dict(zip(values, found.tolist(), strict=True))
        assert [sides[value] for value in values] == found.tolist()  # copies on one side
        assert set(sides.values()) == {0, 1, 2}  # none is empty
        assert list(sides.values()).count(0) > 1  # one picture alone has none to be told from
        return sides

    shuffled = list(contents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cut(contents) == cut(shuffled + shuffled[:5])


def test_pictures_stay_in_their_split_when_others_come() -> None:
    contents = np.random.default_rng(0).integers(0, 2**64, 2000, np.uint64)
    none = np.full(2000, splits.NONE, np.int8)
    before, after = splits.cut(contents[:1000], none[:1000]), splits.cut(contents, none)
    np.testing.assert_array_equal(before, after[:1000])
    assert 60 < np.sum(after == 1) < 140 and 140 < np.sum(after == 2) < 260


def test_validation_is_cut_from_train_where_the_source_has_none() -> None:
    given = np.repeat(np.array([0, 2], np.int8), 50)
    found = splits.cut(np.random.default_rng(0).integers(0, 2**64, 100, np.uint64), given)
    assert np.all(found[50:] == 2) and np.any(found[:50] == 1)
    with pytest.raises(ConfigError, match="none is of train"):
        splits.cut(np.arange(3, dtype=np.uint64), np.full(3, 2, np.int8))


# ---- once, whole, and found again


def test_a_source_is_imported_once_until_it_changes(tmp_path: Path) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    config, _ = imported(source)
    digest = load_pairs(config, "train", progress=False).digest
    assert settings(source) == config and config.config.startswith("things-")
    files = sorted(source.iterdir(), reverse=True)
    for path in files:  # written anew in another order: another listing, the same content
        path.write_bytes(path.read_bytes())
        os.utime(path, (1, 1))
    again, _ = imported(source)
    assert again.config != config.config
    assert load_pairs(again, "train", progress=False).digest == digest
    for path in files:
        path.unlink()
    source.rmdir()
    assert load_pairs(resolved(config), "train", progress=False).digest == digest
    gone = resolved(DataConfig(**{**vars(config), "dir": str(tmp_path / "nowhere")}))
    with pytest.raises(ConfigError, match=r"say with --data\.path where the pictures are now"):
        load_pairs(gone, "train", progress=False)


def test_an_import_that_stops_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    config = settings(source)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Report, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            make_ready(config, progress=False)
    assert not ImportedSet(config).is_ready(config)
    # As a kill would leave it, which runs nothing that tidies up.
    left = tmp_path / "data" / "imported" / config.config / "incomplete.KILLED_1.1.0"
    left.mkdir(parents=True)
    (left / "imported-pictures.array_record-00000").write_bytes(b"half")
    make_ready(config, progress=False)
    assert [each.name for each in left.parent.iterdir()] == ["1.1.0"]
    assert len(load_pairs(config, "train", progress=False)) > 0


def test_tables_that_are_damaged_are_named(tmp_path: Path) -> None:
    config, _ = imported(own_pairs.csv_folder(tmp_path / "things"))
    for name in ("captions", "pictures"):
        (table,) = (tmp_path / "data").rglob(f"train.{name}.arrow")
        whole = table.read_bytes()
        for change in (whole[:-20], b"no table", b""):
            table.write_bytes(change)
            with pytest.raises(ConfigError, match=rf"train\.{name}\.arrow is damaged"):
                load_pairs(config, "train", progress=False)
        table.write_bytes(whole)


def test_a_table_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    (source / "metadata.csv").unlink()
    os.mkfifo(source / "metadata.csv")
    with pytest.raises(ConfigError, match=r"metadata\.csv cannot be read: it is not a regular"):
        imported(source)


def test_records_that_are_damaged_are_told_in_a_sentence(tmp_path: Path) -> None:
    config, _ = imported(own_pairs.csv_folder(tmp_path / "things"))
    pairs = load_pairs(config, "train", progress=False)
    (records,) = (tmp_path / "data").rglob("*.array_record-*")
    change = bytearray(records.read_bytes())
    for place in re.finditer(b"IHDR", change):
        change[place.start() : place.end()] = b"xxxx"
    records.write_bytes(change)
    with pytest.raises(ConfigError, match=r"cannot be read \(.*hash mismatch.*made again$"):
        load_pairs(config, "train", progress=False).pictures.batch(np.arange(len(pairs)))


@pytest.mark.parametrize("column", ["record", "label", "category"])
def test_numbers_of_nothing_in_a_table_are_named(tmp_path: Path, column: str) -> None:
    config, _ = imported(own_pairs.classes_folder(tmp_path / "things"))
    (place,) = (tmp_path / "data").rglob("train.pictures.arrow")
    table = pa.ipc.open_file(place.read_bytes()).read_all()
    at = table.schema.get_field_index(column)
    numbers = table[column].to_numpy().copy()
    numbers[-1] = 10**6
    changed = table.set_column(at, table.schema.field(at), pa.array(numbers))
    with pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, changed.schema) as writer:
        writer.write_table(changed)
    with pytest.raises(ConfigError, match=r"train\.pictures\.arrow is damaged .* is of nothing"):
        load_pairs(config, "train", progress=False)


@pytest.mark.parametrize("change", ['"splits": 3', '"classes": [1]', '"format": 99', "{"])
def test_a_report_that_is_damaged_counts_as_none(change: str, tmp_path: Path) -> None:
    report = Report(source="x", kinds=[], options={}, listing="", splits={"train": 3})
    report.damaged_pictures.add("1.png: why")
    report.write(tmp_path)
    assert Report.read(tmp_path) == report
    file = tmp_path / "import.json"
    file.write_text(file.read_text().rstrip().removesuffix("}") + f", {change}}}")
    assert Report.read(tmp_path) is None


def test_the_command_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = own_pairs.csv_folder(tmp_path / "things")
    (source / "03.png").write_bytes(b"no picture")
    command = importlib.import_module("limoe_core.data.import")
    assert command.main([str(source), "--dir", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert "pictures named by metadata.csv in file_name, with text" in said
    assert "11 pictures: " in said and "11 captions: 11 en" in said and "03.png" in said
    assert command.main([str(tmp_path / "none")]) == 1
    assert "there is no" in capsys.readouterr().err


@pytest.mark.processes
def test_the_examples_of_the_docs_work_as_pasted(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    sections = (root / "docs" / "data.md").read_text().split("\n## ")
    (section,) = (each for each in sections if each.startswith("Your own pairs"))
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    examples = [block for block in blocks if "limoe_core.train" not in block]
    python = f'python() {{ "{sys.executable}" "$@"; }}'
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join([python, *examples])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "TFDS_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("imported as imported/") == 5
