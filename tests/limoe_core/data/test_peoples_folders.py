"""Folders and tables of pairs as people and programs make them, beside those of our own docs."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.importing.files import check_encoding, inside
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Problem, Record, split_named, split_of_file
from limoe_core.data.importing.rows import Row, read_rows
from limoe_core.data.source import resolved
from tests.limoe_core.data.own_pairs import add, names, picture, table, write_pictures


def found(source: Path, **columns: str) -> list[Record | Problem]:
    sources = recognise(place_of(source, **columns))
    return [each for one in sources for each in one.records()]


def records(source: Path, **columns: str) -> list[Record]:
    every = found(source, **columns)
    assert not [each for each in every if isinstance(each, Problem)]
    return [each for each in every if isinstance(each, Record)]


def problems(source: Path) -> list[str]:
    return [f"{each.where}: {each.why}" for each in found(source) if isinstance(each, Problem)]


def said(source: Path, **columns: str) -> list[list[tuple[str, str]]]:
    """Languages and captions of each picture."""
    return [[(c.language, c.text) for c in each.captions] for each in records(source, **columns)]


def splits(source: Path) -> Counter[str]:
    return Counter(record.split for record in records(source))


def one_row(folder: Path, *columns: tuple[str, str]) -> Path:
    """A picture, 00.png, and a table with one row: pairs of column and value."""
    write_pictures(folder, ["00.png"])
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [("file_name", "00.png"), *columns]
        csv.writer(file).writerows(zip(*rows, strict=True))
    return folder


# ---- splits by names


@pytest.mark.parametrize(
    ("name", "split"),
    {
        "train2017": "train",
        "Training_Set": "train",
        "val": "validation",
        "valid": "validation",
        "test1": "test",
        "test images": "test",
        "test_tubes": "",
        "trainer": "",
        "set1": "",
        "train" + "1" * 200: "",
    }.items(),
)
def test_splits_that_folders_are_named_by(name: str, split: str) -> None:
    assert split_named(name) == split


@pytest.mark.parametrize(
    ("name", "split"),
    {
        "train-00000-of-00002.parquet": "train",
        "imagenet1k-validation-00.tar.gz": "validation",
        "captions_train2017.csv": "train",
        "x_test.tar": "test",
        "latest.tar": "",
        "speed-test-photos.tar": "",
    }.items(),
)
def test_splits_that_files_are_named_by(name: str, split: str) -> None:
    assert split_of_file(Path("things") / name) == split


def test_a_table_names_pictures_in_folders_of_splits(tmp_path: Path) -> None:
    rows = [("file_name", "text"), ("train/1.png", "a"), ("test/1.png", "b")]
    source = table(tmp_path / "things", rows)
    write_pictures(source, ["train/1.png", "test/1.png"])
    assert splits(source) == {"train": 1, "test": 1}
    with (source / "metadata.csv").open("a") as file:
        file.write("00.png,c\n")  # so the folders are no splits of all
    assert splits(source) == {"": 3}


def test_a_table_for_each_split(tmp_path: Path) -> None:
    write_pictures(tmp_path, names())
    for place, split in enumerate(("train", "val", "test")):
        (tmp_path / f"{split}.csv").write_text(f"file_name,text\n0{place}.png,x\n")
    (tmp_path / "train.txt").write_text("00\n01\n")
    assert splits(tmp_path) == {"train": 1, "validation": 1, "test": 1}


def test_folders_of_splits_beside_others_are_no_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["train2017/1.png", "val2017/1.png"])
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "captions_train2017.json").write_text("{}")
    with pytest.raises(ConfigError, match="no pairs are found in .*train2017"):
        recognise(place_of(tmp_path))
    write_pictures(tmp_path, ["more/1.png"])
    with pytest.raises(ConfigError, match=r"splits \(train2017, val2017\) and others \(more\)"):
        recognise(place_of(tmp_path))


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["train/1.png", "bus/1.png"])
    assert {record.label for record in records(tmp_path)} == {"train", "bus"}


# ---- folders


def test_one_folder_around_all(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["pets/data/cat/1.png", "pets/data/dog/1.png"])
    assert {record.label for record in records(tmp_path)} == {"cat", "dog"}


def test_folders_with_a_table_each(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        table(tmp_path / name, [("file_name", "text"), ("00.png", f"two {name}")])
    assert said(tmp_path) == [[("en", "two cats")], [("en", "two dogs")]]


def test_tables_beside_the_folder_of_their_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "Images", ["1.jpg"])
    (tmp_path / "captions.txt").write_text("image,caption\nnone.jpg,x\n1.jpg,one\n1.jpg,two\n")
    assert [f"{each.captions}" for each in found(tmp_path) if isinstance(each, Record)]
    assert len(problems(tmp_path)) == 1
    write_pictures(tmp_path / "others", ["1.jpg"])  # and now it is not clear which
    assert not [each for each in found(tmp_path) if isinstance(each, Record)]


def test_what_else_lies_there_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", ["1.png"])
    (tmp_path / "pets.zip").touch()
    with pytest.raises(ConfigError, match=r"Unpack pets\.zip first"):
        recognise(place_of(tmp_path))
    (tmp_path / "pets.csv").touch()
    with pytest.raises(ConfigError, match=r"A table of another name is named itself: pets\.csv"):
        recognise(place_of(tmp_path))


def test_pictures_that_cannot_be_read_are_told_and_not_passed_over(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["cat/1.png", "dog/1.jfif", "dog/2.heic"])
    (tmp_path / "cat" / "gone.png").symlink_to("nothing.png")
    write_pictures(tmp_path, ["cat/@eaDir/1.png"])  # thumbnails of a file server
    names_found = [each.name for each in found(tmp_path) if isinstance(each, Record)]
    assert names_found == ["cat/1.png", "dog/1.jfif", "dog/2.heic"]
    assert problems(tmp_path) == ["cat/gone.png: there is no such file"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    for folder in (b"ros\xe9", b"th\xe9"):
        os.makedirs(os.fsencode(tmp_path) + b"/" + folder)
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + folder + b"/1.png")).write_bytes(picture(0))
    assert [record.label for record in records(tmp_path)] == ["ros\\xe9", "th\\xe9"]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "\udce9.png", picture(0))
        add(tar, "\udce9.txt", b"x")
    (record,) = records(tmp_path / "a.tar")
    assert record.name == "a.tar, sample \\xe9"


def test_texts_beside_pictures_under_other_names(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["A.JPG", "b.jpg", "c.png", "d.webp"])
    for name in ("A.TXT", "b.caption", "c.png.txt", "d.webp.txt"):
        (tmp_path / name).write_text("x")
    assert said(tmp_path) == [[("en", "x")]] * 4


# ---- tables


@pytest.mark.parametrize("name", ["{folder}/a/1.png", "a\\1.png", " a/1.png", "./a/1.png "])
def test_names_of_pictures_as_other_programs_write_them(name: str, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a/1.png"])
    rows = f"file_name,text\n{name.format(folder=tmp_path)},x\n"
    (tmp_path / "metadata.csv").write_text(rows)
    assert [record.name for record in records(tmp_path)] == ["a/1.png"]


def test_a_whole_path_may_go_through_a_link_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("things")
    source = table(
        tmp_path / "things", [("file_name", "text"), (str(tmp_path / "link" / "00.png"), "x")]
    )
    assert [record.name for record in records(source)] == ["00.png"]
    (tmp_path / "other.png").write_bytes(picture(0))
    (source / "out.png").symlink_to(tmp_path / "other.png")
    with pytest.raises(ConfigError, match="which is not in"):
        inside(source, source, str(source / "out.png"), "row 1")


def test_addresses_are_no_files(tmp_path: Path) -> None:
    source = table(tmp_path / "x", [("file_name", "text"), ("https://a.example/1.jpg", "x")])
    assert problems(source) == [
        "metadata.csv, line 2: 'https://a.example/1.jpg' is no file; download the pictures and "
        "name their files"
    ]


def test_tables_as_parquet(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["1.png", "2.png"])
    for file_name in (
        pa.array(["1.png", "2.png"]),
        pa.array(["1.png", "2.png"]).dictionary_encode(),
        pa.array(
            [{"bytes": None, "path": "1.png"}, {"bytes": None, "path": "2.png"}],
            pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        ),
    ):
        columns = {"file_name": file_name, "text": ["a", None], "label": [1.0, float("nan")]}
        pq.write_table(pa.table(columns), tmp_path / "metadata.parquet")
        first, second = records(tmp_path)
        assert (first.label, second.label) == ("1", "")
        assert [caption.text for caption in first.captions] == ["a"] and not second.captions


def test_texts_of_parquet_that_are_not_utf8_are_named_by_row(tmp_path: Path) -> None:
    texts = pa.array([b"one", b"se\xf1or", b"three"]).view(pa.string())
    lists = pa.ListArray.from_arrays([0, 1, 2, 3], texts)
    pictures = pa.array([picture(i) for i in range(3)])
    for column in (texts, lists):
        pq.write_table(pa.table({"image": pictures, "text": column}), tmp_path / "a.parquet")
        assert problems(tmp_path) == ["a.parquet, row 2: it is not UTF-8"]
        assert len(found(tmp_path)) == 3


def test_the_column_of_pictures_is_not_another_one_of_bytes(tmp_path: Path) -> None:
    rows = {"hash": [b"\0"] * 2, "image": [picture(0), picture(1)], "text": ["a", "b"]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    assert [record.picture for record in records(tmp_path)] == rows["image"]


def test_a_column_of_texts_beside_those_of_other_languages(tmp_path: Path) -> None:
    source = one_row(tmp_path, ("text", "owl"), ("text_de", "Eule"), ("title", "no text of it"))
    assert said(source) == [[("en", "owl"), ("de", "Eule")]]
    assert said(source, text_column="title") == [[("en", "no text of it")]]


def test_numbered_columns_are_several_captions(tmp_path: Path) -> None:
    source = one_row(tmp_path, ("caption", "a"), ("caption_2", "b"), ("caption3", "c"))
    assert said(source) == [[("en", "a"), ("en", "b"), ("en", "c")]]


@pytest.mark.parametrize(
    ("cell", "texts"),
    {
        '["one", "two"]': [("en", "one"), ("en", "two")],
        "['one', \"it's\"]": [("en", "one"), ("en", "it's")],
        '{"en": "owl", "de": ["Eule"]}': [("en", "owl"), ("de", "Eule")],
        "[deleted]": [("en", "[deleted]")],
        '{"id": 1, "url": "x"}': [("en", '{"id": 1, "url": "x"}')],
        "[" * 5000 + "]": [("en", "[" * 5000 + "]")],
    }.items(),
)
def test_lists_that_are_written_into_a_cell(
    cell: str, texts: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert said(one_row(tmp_path, ("text", cell))) == [texts]


def test_rows_that_disagree_are_told(tmp_path: Path) -> None:
    rows = [("file_name", "text", "split", "label"), ("00.png", "x", "train", "")]
    source = table(tmp_path / "x", [*rows, ("00.png", "y", "test", "owl")])
    assert problems(source) == [
        "metadata.csv, line 3: its split is 'test', which is left out, as the rows before say "
        "'train' of the same picture"
    ]
    (record,) = (each for each in found(source) if isinstance(each, Record))
    assert (record.split, record.label, len(record.captions)) == ("train", "owl", 2)


@pytest.mark.parametrize(
    ("content", "message"),
    {
        "00.png,a blue field\n01.png,b\n": "the first line of metadata.csv names a picture",
        "file_name,text\n00.png,a, b\n": "line 2: it has 3 fields for 2 columns",
        "file_name,text\n": "has no rows",
        '"file_name" , "text"\n00.png,a\n01.png,b\n': "line 1, with the names of the columns, is",
        "file_name,text,text\n00.png,a,b\n": "line 1 names two columns 'text'",
    }.items(),
)
def test_tables_without_a_usable_row_say_why(content: str, message: str, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["00.png"])
    (tmp_path / "metadata.csv").write_text(content)
    with pytest.raises(ConfigError, match=message):
        recognise(place_of(tmp_path))


def test_columns_of_json_lines_are_those_of_all_rows(tmp_path: Path) -> None:
    write_pictures(tmp_path, names())
    rows = [{"file_name": "00.png"}, {"file_name": "01.png", "text": "x"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert said(tmp_path) == [[], [("en", "x")]]
    (tmp_path / "metadata.jsonl").write_text(json.dumps(rows, indent=1))
    with pytest.raises(ConfigError, match="line 1: it is not JSON; each line is an object"):
        recognise(place_of(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_wide_encodings_are_told_without_a_mark(encoding: str) -> None:
    with pytest.raises(ConfigError, match="is UTF-16"):
        check_encoding("file_name".encode(encoding), "metadata.csv")
    check_encoding(b"", "metadata.csv")


def read(content: str, name: str, folder: Path) -> list[list[str] | str]:
    """Rows of a table, or what is wrong with them."""
    (folder / name).write_text(content, encoding="utf-8", newline="")
    rows = read_rows(folder / name, name)
    return [list(r.values.values()) if isinstance(r, Row) else f"{r.where}: {r.why}" for r in rows]


def test_quotation_marks_between_tabs_may_be_no_more_than_that(tmp_path: Path) -> None:
    texts = ['"Hello" he says', '5" disk', '"open', 'and "', "plain"]
    content = "file\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(texts))
    expected: list[list[str] | str] = [[str(i), text] for i, text in enumerate(texts)]
    assert read(content, "a.tsv", tmp_path) == expected


@settings(max_examples=30)
@given(st.lists(st.text(st.sampled_from('ab" \n,é'), min_size=1), min_size=1, max_size=5))
def test_every_text_between_tabs_is_read_as_a_program_wrote_it(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerows([("file", "text"), *(("1", value) for value in values)])
    found_rows = read(out.getvalue(), "a.tsv", tmp_path_factory.getbasetemp())
    assert found_rows == [["1", value] for value in values]


def test_all_lines_that_are_lost_are_named(tmp_path: Path) -> None:
    content = 'file_name,text\n1.png,"open\n2.png,x\n3.png,"y" z\n4.png,z\n'
    assert read(content, "a.csv", tmp_path) == [
        "a.csv, lines 2 to 4: it cannot be read as CSV: ',' expected after '\"'",
        ["4.png", "z"],
    ]


def test_too_few_pictures_say_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(
        tmp_path / "a b", ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "cover.png"]
    )
    (tmp_path / "a b" / "cover.txt").write_text("the cover")
    command = importlib.import_module("limoe_core.data.import")
    options = [str(tmp_path / "a b"), "--dir", str(tmp_path / "data")]
    assert command.main(options) == 1
    assert "pictures without a text, left out: 4 (cat/1.png; " in capsys.readouterr().err
    assert not list((tmp_path / "data").glob("imported/*/*"))
    (tmp_path / "a b" / "cover.txt").unlink()
    assert command.main(options) == 0
    told = capsys.readouterr().out
    assert f"train with --data.path '{tmp_path / 'a b'}' --data.dir {tmp_path / 'data'}\n" in told


@pytest.mark.parametrize(
    ("path", "message"),
    {
        "": "data.path is empty",
        "~no such user/x": "there is no ",
        "file.csv/x": "file.csv/x cannot be read: Not a directory",
        "x" * 400: "cannot be read: File name too long",
    }.items(),
)
def test_places_that_cannot_be_read_are_refused_in_a_sentence(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.csv").touch()
    with pytest.raises(ConfigError, match=message):
        resolved(DataConfig(path=path))


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        if os.access(tmp_path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            resolved(DataConfig(path=str(tmp_path)))
    finally:
        tmp_path.chmod(0o700)


def test_pictures_of_parquet_are_read_one_at_a_time(tmp_path: Path) -> None:
    pictures = [bytes(1 << 20)] * 64
    pq.write_table(pa.table({"image": pictures, "text": ["x"] * 64}), tmp_path / "a.parquet")
    before = pa.total_allocated_bytes()
    most = 0
    for one in recognise(place_of(tmp_path)):
        for _ in one.records():
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8 << 20
