"""Sets other than emoji, in the layout in which TFDS prepares them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.class_names import readable_names
from limoe_core.data.pairs import stored_side
from limoe_core.data.preprocess import fit_square, open_picture
from limoe_core.data.registry import data_set
from limoe_core.data.source import load_pairs

from .small_sets import (
    SYNSETS,
    encoded,
    write_cifar100,
    write_coco,
    write_imagenet,
    write_set,
)

CLASSES = ["zebra", "apple_pie", "cat"]  # not in alphabetical order


def picture(index: int) -> np.ndarray:
    return np.full((20 + index, 30, 3), (40 * index, 255 - 40 * index, 7), np.uint8)


def example(index: int, **more: Any) -> dict[str, Any]:
    return {"image": encoded(picture(index)), **more}


def features(name: str) -> dict[str, Any]:
    image = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
    text = tfds.features.Text()
    return {
        "tiny_labels": {"image": image, "label": tfds.features.ClassLabel(names=CLASSES)},
        "tiny_captions": {
            "image": image,
            "captions": tfds.features.Sequence({"id": np.int64, "text": text}),
        },
        "tiny_caption": {"image": image, "caption": text},
        "tiny_silent": {"image": image},
        "tiny_blind": {"caption": text},
    }[name]


def rows(name: str) -> list[dict[str, Any]]:
    captions = [["a dog", "ein hund"], ["a cat"], []]
    return {
        "tiny_labels": [example(i, label=i % 3) for i in range(5)],
        "tiny_captions": [
            example(i, captions=[{"id": j, "text": t} for j, t in enumerate(texts)])
            for i, texts in enumerate(captions)
        ],
        "tiny_caption": [example(i, caption=f"picture {i}") for i in range(3)],
        "tiny_silent": [example(0)],
        "tiny_blind": [{"caption": "nothing to see"}],
    }[name]


def prepare(name: str, folder: Path) -> DataConfig:
    return write_set(name, folder, features(name), {"train": rows(name), "test": rows(name)})


def by_red(pairs: Any) -> dict[int, int]:
    """Concept by the picture's number, read from its colour: TFDS shuffles the records."""
    middle = [pairs.pictures[i][36, 36, 0] for i in range(len(pairs))]
    return {round(int(red) / 40): int(c) for red, c in zip(middle, pairs.concept, strict=True)}


def test_labels_become_concepts_named_by_their_class(tmp_path: Path) -> None:
    pairs = load_pairs(prepare("tiny_labels", tmp_path), "train")
    assert pairs.name == "tiny_labels:1.0.0" or pairs.name == "tiny_labels/1.0.0"
    assert len(pairs) == 5
    assert pairs.concepts.keys.tolist() == ["apple_pie", "cat", "zebra"]
    assert pairs.concepts.names["en"].tolist() == ["apple pie", "cat", "zebra"]
    found = {i: str(pairs.concepts.keys[c]) for i, c in by_red(pairs).items()}
    assert found == {i: CLASSES[i % 3] for i in range(5)}
    assert sorted(pairs.captions()) == ["apple pie", "cat", "zebra"]


def test_pictures_are_fitted_into_a_square(tmp_path: Path) -> None:
    pairs = load_pairs(prepare("tiny_labels", tmp_path), "train")
    batch = pairs.pictures.batch(np.arange(5))
    assert batch.shape == (5, 72, 72, 4)
    assert batch.dtype == np.uint8
    for found in batch:
        number = round(int(found[36, 36, 0]) / 40)
        np.testing.assert_array_equal(found[..., :3], fit_square(picture(number), 72))
        assert (found[..., 3] == 255).all()


def test_a_missing_validation_split_is_stood_in_for_by_the_test_split(tmp_path: Path) -> None:
    config = prepare("tiny_labels", tmp_path)
    assert load_pairs(config, "validation").split == "test"
    with pytest.raises(ConfigError, match="no split 'test_style'; there are .*train"):
        load_pairs(config, "test_style")


def test_captions_make_every_picture_a_concept(tmp_path: Path) -> None:
    pairs = load_pairs(prepare("tiny_captions", tmp_path), "train")
    table = pairs.concepts
    texts = {
        number: (str(table.names["en"][concept]), table.aliases[concept])
        for number, concept in by_red(pairs).items()
    }
    assert texts == {0: ("a dog", ("ein hund",)), 1: ("a cat", ()), 2: ("", ())}


def test_a_single_caption_will_do(tmp_path: Path) -> None:
    pairs = load_pairs(prepare("tiny_caption", tmp_path), "test")
    names = {n: str(pairs.concepts.names["en"][c]) for n, c in by_red(pairs).items()}
    assert names == {i: f"picture {i}" for i in range(3)}


@pytest.mark.parametrize(
    "name, complaint",
    [("tiny_silent", "neither captions .* nor named labels"), ("tiny_blind", "no feature 'image'")],
)
def test_sets_without_pictures_or_text_are_refused(
    tmp_path: Path, name: str, complaint: str
) -> None:
    config = prepare(name, tmp_path)
    with pytest.raises(ConfigError, match=complaint):
        load_pairs(config, "train")


def test_a_missing_set_names_the_command_that_prepares_it(tmp_path: Path) -> None:
    config = DataConfig(name="oxford_iiit_pet", dir=str(tmp_path))
    with pytest.raises(ConfigError) as error:
        load_pairs(config, "train")
    command = f"tfds build oxford_iiit_pet --file_format=array_record --data_dir={tmp_path}"
    assert command in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_must_be_fetched_by_hand_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_pairs(DataConfig(name="imagenet2012", dir=str(tmp_path)), "validation")
    assert "tfds build imagenet2012 --file_format=array_record" in str(error.value)
    assert "ILSVRC2012_img_val.tar" in str(error.value)
    assert str(tmp_path / "downloads" / "manual") in str(error.value)
    assert not list(tmp_path.iterdir())


def test_captions_of_coco_come_from_its_config(tmp_path: Path) -> None:
    pairs = load_pairs(write_coco(tmp_path, train=3, val=2), "validation")
    assert pairs.name == "coco_captions/2014/1.0.0"
    assert pairs.split == "val"
    assert sorted(len(aliases) for aliases in pairs.concepts.aliases) == [4, 5]


def test_pictures_are_as_large_as_the_model_needs(tmp_path: Path) -> None:
    config = write_cifar100(tmp_path, train=1, test=1)
    assert load_pairs(config, "test", side=252).pictures[0].shape == (252, 252, 4)
    assert [stored_side(size) for size in (32, 64, 224)] == [72, 72, 252]


def test_a_large_jpeg_read_at_a_fraction_looks_the_same() -> None:
    rows, columns = np.mgrid[0:900, 0:1200]
    smooth = np.stack([rows / 4, columns / 5, 255 - rows / 4], axis=-1).astype(np.uint8)
    content = encoded(smooth, "JPEG").getvalue()
    small, _ = open_picture(content, at_least=144)
    assert small.size == (300, 225)  # a quarter: an eighth would be too few pixels
    difference = fit_square(small, 72).astype(int) - fit_square(open_picture(content)[0], 72)
    assert np.abs(difference).max() <= 3


def test_wordnet_ids_need_readable_names(tmp_path: Path) -> None:
    config = write_imagenet(tmp_path, train=1, validation=1)
    with pytest.raises(ConfigError, match="WordNet ids such as n01440764") as error:
        load_pairs(config, "train")
    beside = tmp_path / "imagenet2012" / "class_names.txt"
    assert str(beside) in str(error.value)
    beside.write_text(SYNSETS)
    pairs = load_pairs(config, "train")
    assert pairs.concepts.names["en"].tolist() == ["tench", "goldfish", "soccer ball"]
    other = tmp_path / "other.txt"
    other.write_text("a fish\na_gold  fish\na ball\n")
    pairs = load_pairs(replace(config, class_names=str(other)), "train")
    assert pairs.concepts.names["en"].tolist() == ["a fish", "a gold fish", "a ball"]
    with pytest.raises(ConfigError, match="pictures without a label"):
        load_pairs(config, "test")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("tench\ngoldfish\n", "2 lines, which do not fit 3 classes.*not exactly one for n01440764"),
        ("n01440764\nn01443537 a\nn04254680 b", "no name for n01440764"),
        (None, "cannot be read"),
    ],
)
def test_class_names_that_do_not_fit_are_refused(
    tmp_path: Path, text: str | None, complaint: str
) -> None:
    file = tmp_path / "names.txt"
    if text is not None:
        file.write_text(text)
    labels = ["n01440764", "n01443537", "n04254680"]
    with pytest.raises(ConfigError, match=complaint):
        readable_names(labels, "imagenet2012", tmp_path, str(file))


def torn_set(folder: Path, *torn: int, count: int = 6) -> DataConfig:
    """Pictures with captions, some of which end before they should."""
    rows = [example(i, caption=f"picture {i}") for i in range(count)]
    for place in torn:
        rows[place]["image"] = io.BytesIO(rows[place]["image"].getvalue()[:60])
    return write_set("tiny_caption", folder, features("tiny_caption"), {"train": rows})


def test_damaged_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    pairs = load_pairs(torn_set(tmp_path, 1, 4), "train")
    assert len(pairs) == len(pairs.concepts) == 4
    assert len(pairs.damaged) == 2
    assert all("damaged" in why for why in pairs.damaged.values())
    found = {n: str(pairs.concepts.names["en"][c]) for n, c in by_red(pairs).items()}
    assert found == {i: f"picture {i}" for i in (0, 2, 3, 5)}


def test_damaged_pictures_are_refused_on_demand(tmp_path: Path) -> None:
    config = replace(torn_set(tmp_path, 2), damaged="refuse")
    with pytest.raises(ConfigError, match=r"record \d of the split train of tiny_caption.* skip"):
        load_pairs(config, "train")
    with pytest.raises(ConfigError, match="no picture of the split train .* can be read"):
        load_pairs(torn_set(tmp_path / "all", 0, 1, count=2), "train")


def test_a_picture_that_is_damaged_later_is_named(tmp_path: Path) -> None:
    opened = data_set(torn_set(tmp_path, 0, count=1)).open(  # type: ignore[attr-defined]
        DataConfig(name="tiny_caption", dir=str(tmp_path)), "train"
    )
    with pytest.raises(ConfigError, match="picture of record 0 of the split train of tiny_caption"):
        opened.pictures.batch([0])


def test_a_caption_that_is_no_text_is_named(tmp_path: Path) -> None:
    rows = [example(0, caption=b"na\xefve")]
    config = write_set("tiny_caption", tmp_path, features("tiny_caption"), {"train": rows})
    with pytest.raises(ConfigError, match=r"caption of record 0 of the split train .* not UTF-8"):
        load_pairs(config, "train")


def test_a_digest_stands_for_content_and_not_for_name_or_place(tmp_path: Path) -> None:
    def digest(name: str, folder: str, rows: list[dict[str, Any]]) -> str:
        config = write_set(name, tmp_path / folder, features("tiny_caption"), {"train": rows})
        return load_pairs(config, "train").digest

    def rows(*texts: str) -> list[dict[str, Any]]:
        return [example(i, caption=text) for i, text in enumerate(texts)]

    first = digest("tiny_caption", "a", rows("a dog", "a cat"))
    assert digest("tiny_caption", "b", rows("a dog", "a cat")) == first
    assert digest("renamed", "c", rows("a dog", "a cat")) == first
    others = [
        digest("tiny_caption", "d", rows("a dog", "a cow")),
        digest("tiny_caption", "e", rows("a dog")),
        digest("tiny_caption", "f", [example(3, caption="a dog"), example(1, caption="a cat")]),
    ]
    assert len({first, *others}) == 4


def test_copies_of_a_picture_are_known_by_their_place(tmp_path: Path) -> None:
    found = [example(number, label=i % 3) for i, number in enumerate((3, 1, 3, 2, 1, 0))]
    found[4]["image"] = io.BytesIO(b"no picture")
    config = write_set("tiny_labels", tmp_path, features("tiny_labels"), {"train": found})
    pairs = load_pairs(config, "train")
    shown = [bytes(p) for p in pairs.pictures.batch(range(len(pairs)))]
    assert pairs.copy is not None and len(pairs) == 5
    same = [[mine == other for other in shown] for mine in shown]
    np.testing.assert_array_equal(pairs.copy[:, None] == pairs.copy, same)
    assert load_pairs(prepare("tiny_captions", tmp_path), "train").copy is None


def test_names_of_classes_are_part_of_the_digest(tmp_path: Path) -> None:
    config = prepare("tiny_labels", tmp_path)
    before = load_pairs(config, "train").digest
    (tmp_path / "names.txt").write_text("striped horse\npie\npuss\n")
    named = replace(config, class_names=str(tmp_path / "names.txt"))
    assert load_pairs(named, "train").digest != before
    assert load_pairs(config, "train").digest == before


def test_the_config_of_a_prepared_set_is_the_one_on_disk(tmp_path: Path) -> None:
    coco = write_coco(tmp_path, train=1, val=1)
    assert data_set(coco).resolve(coco) == "2014"
    labels = prepare("tiny_labels", tmp_path)
    assert data_set(labels).resolve(labels) == "auto"
    nowhere = DataConfig(name="coco_captions", dir=str(tmp_path / "nowhere"))
    assert data_set(nowhere).resolve(nowhere) == "auto"
