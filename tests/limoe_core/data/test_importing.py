"""Your own pairs: every kind of source, captions and columns."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Record
from limoe_core.data.source import load_pairs, resolved
from tests.limoe_core.data import own_pairs
from tests.limoe_core.data.imports import all_splits, imported, records, texts
from tests.limoe_core.data.own_pairs import CAPTIONED, COUNT, add, picture
from tests.limoe_core.data.small_sets import write_cifar100

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
