"""A prepared set may come from anybody: nothing that it names is imported or followed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.description import check_description, newest_version
from limoe_core.data.source import load_pairs

from .small_sets import encoded, write_coco, write_set

PICTURE = np.full((20, 30, 3), 90, np.uint8)
FEATURES = {
    "image": tfds.features.Image(encoding_format="png"),
    "label": tfds.features.ClassLabel(names=["cat", "dog"]),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    rows = [{"image": encoded(PICTURE), "label": 0}]
    write_set("tiny_evil", folder, FEATURES, {"train": rows, "test": rows})
    return folder


@pytest.fixture
def version(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    return tmp_path / "tiny_evil" / "1.0.0"


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A class that Python finds, and whose import leaves a mark."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "evil_features.py").write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w').close()\n"
        "import tensorflow_datasets as tfds\n"
        "class Evil(tfds.features.Scalar): pass\n"
    )
    monkeypatch.syspath_prepend(code)
    return "evil_features.Evil"


def load(version: Path) -> Any:
    return load_pairs(DataConfig(name="tiny_evil", dir=str(version.parents[1])), "train")


def feature(name: str) -> dict[str, Any]:
    """A feature of a class, in the ways in which TFDS reads one."""
    return {"pythonClassName": name, "tensor": {"shape": {}, "dtype": "int64", "encoding": "none"}}


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "as today": feature,
    "as protocol buffers spell it": lambda name: {"python_class_name": name, "tensor": {}},
    "as before 4.5": lambda name: {"type": name, "content": {}},
    "in a sequence": lambda name: {
        "pythonClassName": "tensorflow_datasets.core.features.sequence_feature.Sequence",
        "sequence": {"feature": feature(name), "length": "-1"},
    },
    "in text": lambda name: {
        "pythonClassName": "tensorflow_datasets.core.features.sequence_feature.Sequence",
        "jsonFeature": {"json": json.dumps({"feature": {"type": name, "content": {}}})},
    },
    "in text in text": lambda name: {
        "type": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
        "proto_cls": "tensorflow_datasets.FeaturesDict",
        "content": json.dumps({"features": {"x": feature(name)}}),
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_no_class_of_a_strangers_set_is_imported(
    version: Path, evil: str, tmp_path: Path, way: str
) -> None:
    found = json.loads((version / "features.json").read_text())
    found["featuresDict"]["features"]["more"] = WAYS[way](evil)
    (version / "features.json").write_text(json.dumps(found))
    with pytest.raises(ConfigError, match="names the Python class 'evil_features.Evil'"):
        load(version)
    assert "evil_features" not in sys.modules
    assert not (tmp_path / "mark").exists()


def test_no_class_is_imported_by_way_of_the_other_file(
    version: Path, evil: str, tmp_path: Path
) -> None:
    found = json.loads((version / "dataset_info.json").read_text())
    (version / "dataset_info.json").write_text(json.dumps({**found, "features": feature(evil)}))
    with pytest.raises(ConfigError, match=r"describes features, which only features\.json may do"):
        load(version)
    assert not (tmp_path / "mark").exists()


def test_code_that_lies_in_the_set_is_not_run(version: Path, tmp_path: Path) -> None:
    mark = f"open({str(tmp_path / 'mark')!r}, 'w').close()\n"
    for folder in (version.parents[1], version.parent, version):
        for name in ("__init__.py", "tiny_evil.py", "tiny_evil_dataset_builder.py", "builder.py"):
            (folder / name).write_text(mark)
    info = json.loads((version / "dataset_info.json").read_text())
    info |= {"moduleName": "tiny_evil.tiny_evil_dataset_builder"}
    (version / "dataset_info.json").write_text(json.dumps(info))
    assert len(load(version)) == 1
    assert not (tmp_path / "mark").exists()


def test_class_names_of_another_file_are_not_read(version: Path, tmp_path: Path) -> None:
    found = json.loads((version / "features.json").read_text())
    label = found["featuresDict"]["features"]["label"]
    label.pop("classLabel")
    label["jsonFeature"] = {"json": json.dumps({"names_file": "/etc/passwd"})}
    (version / "features.json").write_text(json.dumps(found))
    with pytest.raises(ConfigError, match="names another file"):
        load(version)


def test_records_that_lie_elsewhere_are_not_read(version: Path) -> None:
    info = json.loads((version / "dataset_info.json").read_text())
    info["splits"][0]["filepathTemplate"] = "../../other/{DATASET}-{SPLIT}.{FILEFORMAT}"
    (version / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(ConfigError, match="names records that lie out of its folder"):
        load(version)


@pytest.mark.parametrize("part", ["set", "split"])
def test_names_that_lead_to_records_elsewhere_are_refused(version: Path, part: str) -> None:
    info = json.loads((version / "dataset_info.json").read_text())
    (info if part == "set" else info["splits"][0])["name"] = "../../other/set"
    (version / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(ConfigError, match="names records that lie out of its folder"):
        load(version)


@pytest.mark.parametrize("name", ["label.labels.txt", "../class_names.txt"])
def test_links_to_other_files_are_not_read_as_class_names(
    version: Path, name: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password one\npassword two\n")
    (version / name).unlink(missing_ok=True)
    (version / name).symlink_to(secret)
    with pytest.raises(ConfigError, match=r"not a regular file|leads out of the folder") as error:
        load(version)
    assert "password" not in str(error.value)


@pytest.mark.parametrize("name", ["features.json", "dataset_info.json", "label.labels.txt"])
@pytest.mark.parametrize("what", ["a pipe", "a folder", "far too large", "nonsense", "deep"])
def test_descriptions_that_are_none_are_refused(version: Path, name: str, what: str) -> None:
    file = version / name
    file.unlink()
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    elif what == "far too large":
        with file.open("wb") as out:
            out.truncate(1 << 40)
    elif name.endswith(".txt"):
        return
    else:
        file.write_text("nonsense" if what == "nonsense" else "[" * 100_000)
    with pytest.raises(ConfigError, match=r"not a regular file|larger than|damaged|no feature"):
        load(version)


def test_pictures_in_sequences_are_left_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFDS would hand them to Pillow, and an EPS among them to Ghostscript."""
    features = {
        **FEATURES,
        "crops": tfds.features.Sequence(tfds.features.Image(encoding_format="png")),
        "parts": tfds.features.Sequence({"mask": tfds.features.Image(encoding_format="png")}),
        "inner": {"mask": tfds.features.Image(encoding_format="png")},
    }
    row = {
        "image": encoded(PICTURE),
        "label": 1,
        "crops": [encoded(PICTURE)] * 2,
        "parts": [{"mask": encoded(PICTURE)}],
        "inner": {"mask": encoded(PICTURE)},
    }
    config = write_set("tiny_nested", tmp_path, features, {"train": [row]})
    opened: list[dict[str, Any]] = []
    before = Image.open

    def noted(*given: Any, **options: Any) -> Any:
        opened.append(options)
        return before(*given, **options)

    monkeypatch.setattr(Image, "open", noted)
    pairs = load_pairs(config, "train")
    assert len(opened) == 1
    assert "EPS" not in opened[0]["formats"]
    assert pairs.pictures.batch([0]).shape == (1, 72, 72, 4)


def test_the_newest_version_and_the_default_config_are_found(tmp_path: Path) -> None:
    for name in ("1.9.0", "1.10.0", "2.0.0", "incomplete.X_3.0.0", "3.0"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for name in ("1.9.0", "1.10.0"):
        (tmp_path / "set" / name / "features.json").touch()
    assert newest_version(tmp_path / "set", None) == tmp_path / "set" / "1.10.0"
    assert newest_version(tmp_path / "set", None, "1.9.0") == tmp_path / "set" / "1.9.0"
    assert newest_version(tmp_path / "set", None, "2.0.0") is None
    assert newest_version(tmp_path / "none", None) is None
    config = write_coco(tmp_path, train=1, val=1)
    for named in ("coco_captions", "coco_captions/2014", "coco_captions/2014:1.0.0"):
        assert len(load_pairs(DataConfig(name=named, dir=config.dir), "train")) == 1
    with pytest.raises(ConfigError, match="is not in"):
        load_pairs(DataConfig(name="coco_captions", config="2017", dir=config.dir), "train")


def test_every_allowed_class_is_one_that_tfds_has(version: Path) -> None:
    check_description(version)


@pytest.mark.processes
def test_evaluate_runs_nothing_of_a_strangers_run(
    debug_run: Path, version: Path, evil: str, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "stranger"
    run.parent.mkdir()
    subprocess.run(["cp", "-r", debug_run, run], check=True)
    subprocess.run(["cp", "-r", version.parent, run / "tiny_evil"], check=True)
    found = json.loads((version / "features.json").read_text())
    found["featuresDict"]["features"]["more"] = feature(evil)
    (run / "tiny_evil" / "1.0.0" / "features.json").write_text(json.dumps(found))
    info = json.loads((run / "config.json").read_text())
    info["config"]["data"] |= {"name": "tiny_evil", "config": "auto", "dir": str(run)}
    (run / "config.json").write_text(json.dumps(info))
    for more in ((), ("--data.dir", str(run))):
        done = subprocess.run(
            [sys.executable, "-m", "limoe_core.evaluate", "--run", str(run), *more],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "code")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert ("names the Python class" if more else "which you have not named") in " ".join(
            done.stderr.split()
        )
        assert not (tmp_path / "mark").exists()
