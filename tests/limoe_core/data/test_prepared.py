"""Sets other than emoji, in the layout in which TFDS prepares them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.preprocess import fit_square
from limoe_core.data.source import load_pairs

CLASSES = ["zebra", "apple_pie", "cat"]  # not in alphabetical order


def picture(index: int) -> np.ndarray:
    return np.full((20 + index, 30, 3), (40 * index, 255 - 40 * index, 7), np.uint8)


def example(index: int, **more: Any) -> dict[str, Any]:
    out = io.BytesIO()
    Image.fromarray(picture(index)).save(out, "PNG")
    return {"image": io.BytesIO(out.getvalue()), **more}


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


class _Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features(self.name))
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from ((str(i), row) for i, row in enumerate(rows(self.name)))


def prepare(name: str, folder: Path, kind: str = "array_record") -> DataConfig:
    builder = type("Builder", (_Tiny,), {"name": name}, skip_registration=True)
    builder(data_dir=folder, file_format=kind).download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return DataConfig(name=name, dir=str(folder))


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
