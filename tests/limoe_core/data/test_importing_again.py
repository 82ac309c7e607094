"""Your own pairs: copies, splits by content, and imports that are found again."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.importing import splits
from limoe_core.data.importing.dataset import ImportedSet
from limoe_core.data.importing.report import Report
from limoe_core.data.source import load_pairs, make_ready, resolved
from tests.limoe_core.data import own_pairs
from tests.limoe_core.data.imports import all_splits, imported, settings
from tests.limoe_core.data.own_pairs import COUNT, picture

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
