"""The icon set, built from a small slice of its package."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limoe_core import evaluate
from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.iconify import draw
from limoe_core.data.icons import ICONS
from limoe_core.data.icons.copies import copy_groups, thumbnail
from limoe_core.data.icons.drawing import artists
from limoe_core.data.icons.selection import Icon, select, without_copies
from limoe_core.data.icons.sets import Collection
from limoe_core.data.icons.splits import SPLITS, is_withheld, split_of
from limoe_core.data.identity import attributions_of
from limoe_core.data.pairs import SIDE, PairSet
from limoe_core.data.source import load_pairs
from limoe_core.presets import preset
from limoe_core.training.loop import train

from .icon_slice import read_slice, write_slice


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    folder = tmp_path_factory.mktemp("icons")
    write_slice(folder)
    return DataConfig(name="icons", dir=str(folder))


@pytest.fixture(scope="module")
def splits(config: DataConfig) -> dict[str, PairSet]:
    return {split: load_pairs(config, split, progress=False) for split in SPLITS}


def families() -> dict[str, str]:
    entries = read_slice()["collections"]
    return {prefix: Collection.of(prefix, entry).family for prefix, entry in entries.items()}


def test_every_picture_is_in_the_split_of_its_concept_and_set(splits: dict[str, PairSet]) -> None:
    family = families()
    for split, pairs in splits.items():
        assert len(pairs) > 0
        for concept, style in zip(pairs.concept, pairs.style, strict=True):
            assert split_of(str(pairs.concepts.keys[concept]), family[style]) == split


def test_training_sees_no_withheld_concept_and_no_withheld_set(splits: dict[str, PairSet]) -> None:
    trained = splits["train"]
    concepts, styles = set(trained.concept.tolist()), set(trained.style.tolist())
    for split in ("validation", "test_concept", "test_both"):
        assert not concepts & set(splits[split].concept.tolist())
    for split in ("test_set", "test_both"):
        assert not styles & set(splits[split].style.tolist())
    assert set(splits["test_set"].concept.tolist()) <= concepts
    assert {"quill", "meteor-icons"} >= set(splits["test_set"].style.tolist())


def test_no_picture_is_there_twice(splits: dict[str, PairSet]) -> None:
    """Lucide took over Feather's drawings, and in the package they are the same."""
    pictures = np.concatenate(
        [pairs.pictures.batch(range(len(pairs))) for pairs in splits.values()]
    )
    seen = [thumbnail(Image.fromarray(picture)) for picture in pictures]
    thumbnails = np.stack([each for each in seen if each is not None])
    assert len(thumbnails) == len(pictures)
    assert len(set(copy_groups(thumbnails).tolist())) == len(pictures)


def test_sets_that_may_not_be_used_are_left_out(splits: dict[str, PairSet]) -> None:
    taken = {str(style) for pairs in splits.values() for style in pairs.style}
    assert taken <= {
        "feather",
        "lucide",
        "tabler",
        "iconoir",
        "akar-icons",
        "ph",
        "quill",
        "meteor-icons",
    }


def test_licences_and_authors_come_along(splits: dict[str, PairSet]) -> None:
    for pairs in splits.values():
        credited = {one.style: one for one in pairs.attributions}
        assert set(credited) == set(pairs.style.tolist())
    lucide = {one.style: one for one in splits["train"].attributions}["lucide"]
    assert (lucide.title, lucide.author, lucide.licence) == ("Lucide", "Lucide Contributors", "ISC")
    assert lucide.change == "drawn at 72×72 pixels"


def test_captions_have_words_of_style_where_the_name_has_them(splits: dict[str, PairSet]) -> None:
    pairs = splits["train"]
    assert pairs.caption is not None
    found = {
        (str(style), str(pairs.concepts.names["en"][concept])): set()
        for style, concept in zip(pairs.style, pairs.concept, strict=True)
    }
    for style, concept, caption in zip(pairs.style, pairs.concept, pairs.caption, strict=True):
        found[str(style), str(pairs.concepts.names["en"][concept])].add(str(caption))
    assert {"cloud bold", "cloud duotone", "cloud thin"} <= found["ph", "cloud"]
    assert {"cloud bold", "arrow right", "cloud"} <= set(pairs.captions())
    assert "" not in pairs.captions()


def test_pictures_are_read_as_they_were_drawn(splits: dict[str, PairSet]) -> None:
    pairs = splits["train"]
    sets = read_slice()["sets"]
    place = next(
        i
        for i in range(len(pairs))
        if pairs.style[i] == "iconoir" and pairs.concepts.keys[pairs.concept[i]] == "cloud"
    )
    body = sets["iconoir"]["icons"]["cloud"]["body"]
    png = draw(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{body}</svg>', SIDE)
    expected = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    np.testing.assert_array_equal(pairs.pictures[place], expected)
    np.testing.assert_array_equal(pairs.pictures.batch([0, place])[1], expected)
    assert pairs.pictures.batch([]).shape == (0, SIDE, SIDE, 4)


def test_counts_say_what_became_of_every_drawing(
    config: DataConfig, splits: dict[str, PairSet]
) -> None:
    folder = Path(str(config.dir)) / "icons" / "1.0.0"
    counts = json.loads((folder / "metadata.json").read_text("utf-8"))["counts"]
    assert counts["sets"] == 11
    assert counts["pictures"] == sum(map(len, splits.values()))
    assert counts["selected"] == sum(
        counts[key] for key in ("blank", "copies", "unknown_in_test_set", "pictures")
    )
    assert counts["copies"] > 5
    assert all(counts[f"sets_left_out_{why}"] == 1 for why in ("licence", "logos", "emoji"))


def test_a_missing_package_says_how_to_fetch_it(tmp_path: Path) -> None:
    config = DataConfig(name="icons", dir=str(tmp_path))
    with pytest.raises(ConfigError, match="make data ARGS=icons"):
        load_pairs(config, "train", progress=False)
    with pytest.raises(ConfigError, match="not built .*make data ARGS=icons"):
        load_pairs(config, "train", build=False)
    assert not ICONS.is_ready(config)


def test_a_damaged_package_leaves_nothing_half(tmp_path: Path) -> None:
    write_slice(tmp_path)
    package = next((tmp_path / "downloads").rglob("*.tgz"))
    package.write_bytes(package.read_bytes()[:-2000])
    with pytest.raises(ConfigError, match="is damaged .*fetch it again"):
        load_pairs(DataConfig(name="icons", dir=str(tmp_path)), "train", progress=False)
    assert not (tmp_path / "icons" / "1.0.0").exists()


def test_there_is_one_config(config: DataConfig) -> None:
    with pytest.raises(ConfigError, match="no config 'full'"):
        ICONS.is_ready(DataConfig(name="icons", config="full", dir=config.dir))


def icon(style: str, concept: str, slug: str = "") -> Icon:
    return Icon(style, style, slug or concept, concept)


def concepts_of(split: str, count: int) -> list[str]:
    names = (f"thing-{number}" for number in itertools.count())
    return list(itertools.islice((n for n in names if split_of(n, "tabler") == split), count))


def test_concepts_are_drawn_twice_and_no_set_has_more_than_its_share() -> None:
    shared, alone = concepts_of("train", 30)[:10], concepts_of("train", 30)[10:]
    everything = [icon("tabler", concept) for concept in (*shared, *alone)]
    everything += [icon("tabler", concept, f"{concept}-2") for concept in alone]
    everything += [icon("ph", concept) for concept in shared]
    assert len(select(everything)) == 60
    few = select(everything, most=12)
    assert sum(one.style == "tabler" for one in few) == 12
    assert {one.concept for one in few if one.style == "ph"} == set(shared)
    assert select([icon("tabler", shared[0])]) == []
    assert few == select(reversed(everything), most=12)


def test_of_copies_the_one_in_training_stays() -> None:
    train, validation = concepts_of("train", 1)[0], concepts_of("validation", 1)[0]
    assert is_withheld("quill")
    icons = [icon("quill", train), icon("tabler", validation), icon("ph", train), icon("bi", train)]
    assert without_copies(icons, [0, 0, 0, 1]) == [2, 3]
    assert without_copies(icons[:2], [0, 0]) == [1]


def svg(body: str, box: str = "0 0 24 24") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'


CROSS = '<path d="M4 4L20 20M20 4L4 20" stroke="#000" stroke-width="2"/>'
PLUS = '<path d="M4 12H20M12 4V20" stroke="#000" stroke-width="2"/>'


def test_drawings_are_copies_whatever_the_room_around_them() -> None:
    svgs = [
        svg(CROSS),
        svg(CROSS, "-6 -6 36 36"),
        svg(PLUS),
        svg(CROSS.replace("#000", "#f00")),
        svg(""),
        "no drawing",
    ]
    with artists(1) as drawers:
        drawings = list(drawers.draw(svgs))
    assert drawings[4] is None
    assert drawings[5] is None
    groups = copy_groups(np.stack([drawing[1] for drawing in drawings if drawing])).tolist()
    assert groups[0] == groups[1]
    assert len({groups[0], groups[2], groups[3]}) == 3
    assert copy_groups(np.zeros((0, 304), np.uint8)).tolist() == []


@pytest.mark.training
def test_icons_are_trained_on_and_evaluated(config: DataConfig, tmp_path: Path) -> None:
    small = preset("debug")
    small = replace(
        small,
        model=replace(small.model, vocab_size=300, layers=1),
        data=replace(config, batch_size=8),
        train=replace(small.train, steps=2, evaluate_every=2, checkpoint_every=2, probe_pairs=4),
    )
    run = train(tmp_path / "run", small)
    assert run.info["data"]["name"] == "icons:1.0.0"
    assert {"lucide", "ph"} <= {one.style for one in attributions_of(run)}
    results = evaluate.evaluate(evaluate.Arguments(run.path, json=True))["results"]
    assert {"zero_shot_test_set", "zero_shot_test_both_all", "zero_shot_validation"} <= set(results)
