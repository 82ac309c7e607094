"""Small data sets, written as TFDS prepares the large ones of the same name."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from limoe_core.config import DataConfig

Row = dict[str, Any]


def encoded(picture: np.ndarray, kind: str = "PNG") -> io.BytesIO:
    """A picture as the content of a file, which TFDS writes down as it is."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, kind)
    return io.BytesIO(out.getvalue())


class _Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = Path(__file__).parent
    features: Mapping[str, Any]
    rows: Mapping[str, Sequence[Row]]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(dict(self.features))
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.rows}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, Row]]:
        yield from ((str(i), row) for i, row in enumerate(self.rows[split]))


def write_set(
    name: str,
    folder: Path,
    features: Mapping[str, Any],
    rows: Mapping[str, Sequence[Row]],
    config: str | None = None,
) -> DataConfig:
    """Prepares a set from rows by split, with a builder config if it has one."""
    more: dict[str, Any] = {"name": name, "features": features, "rows": rows}
    if config is not None:
        version = tfds.core.Version("1.0.0")
        more["BUILDER_CONFIGS"] = [tfds.core.BuilderConfig(name=config, version=version)]
    builder = type("Builder", (_Small,), more, skip_registration=True)
    builder(data_dir=folder, file_format="array_record").download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return DataConfig(name=name, dir=str(folder))


# ---- the known sets


def blob(label: int, index: int, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """A picture of the colour of its class, with some noise of its own."""
    rng = np.random.default_rng((label, index))
    colour = np.array([60 * (label % 4), 200 - 50 * (label % 3), 30 + 45 * (label % 5)])
    return (colour + rng.integers(0, 40, (*size, 3))).clip(0, 255).astype(np.uint8)


CIFAR = ["lawn_mower", "apple", "sea", "aquarium_fish"]  # as a rule sorted; here not


def write_cifar100(folder: Path, train: int = 12, test: int = 5) -> DataConfig:
    """Four classes, with numbers of pictures of each; TFDS writes PNGs."""
    features = {
        "id": tfds.features.Text(),
        "image": tfds.features.Image(shape=(32, 32, 3)),
        "label": tfds.features.ClassLabel(names=CIFAR),
        "coarse_label": tfds.features.ClassLabel(names=["thing", "place"]),
    }

    def rows(split: str, first: int, count: int) -> list[Row]:
        return [
            {
                "id": f"{split}_{label}_{i}",
                "image": encoded(blob(label, i)),
                "label": label,
                "coarse_label": label % 2,
            }
            for label in range(len(CIFAR))
            for i in range(first, first + count)
        ]

    return write_set(
        "cifar100",
        folder,
        features,
        {"train": rows("train", 0, train), "test": rows("t", 99, test)},
    )


PETS = ["Abyssinian", "basset_hound", "pug"]


def write_pets(folder: Path, train: int = 11, test: int = 4) -> DataConfig:
    """JPEGs with masks and boxes beside them."""
    features = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=PETS),
        "species": tfds.features.ClassLabel(names=["Cat", "Dog"]),
        "file_name": tfds.features.Text(),
        "segmentation_mask": tfds.features.Image(shape=(None, None, 1), use_colormap=True),
        "head_bbox": tfds.features.BBoxFeature(),
    }

    def rows(first: int, count: int) -> list[Row]:
        return [
            {
                "image": encoded(blob(label, i, (200 + 9 * label, 320)), "JPEG"),
                "label": label,
                "species": int(label > 0),
                "file_name": f"{PETS[label]}_{i}",
                "segmentation_mask": encoded(np.full((200 + 9 * label, 320), 2, np.uint8)),
                "head_bbox": tfds.features.BBox(0.0, 0.0, 0.5, 0.5),
            }
            for label in range(len(PETS))
            for i in range(first, first + count)
        ]

    splits = {"train": rows(0, train), "test": rows(99, test)}
    return write_set("oxford_iiit_pet", folder, features, splits)


WORDNET = ["n01440764", "n01443537", "n04254680"]
SYNSETS = (
    "n04254680 soccer ball\nn01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
)


def write_imagenet(folder: Path, train: int = 11, validation: int = 4) -> DataConfig:
    """Classes by WordNet id, and a test split whose labels are not known."""
    features = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=WORDNET),
        "file_name": tfds.features.Text(),
    }

    def rows(first: int, count: int, known: bool = True) -> list[Row]:
        return [
            {
                "image": encoded(blob(label, i, (150, 100 + i)), "JPEG"),
                "label": label if known else -1,
                "file_name": f"{label}_{i}.JPEG",
            }
            for label in range(len(WORDNET))
            for i in range(first, first + count)
        ]

    splits = {
        "train": rows(0, train),
        "validation": rows(50, validation),
        "test": rows(70, 1, False),
    }
    return write_set("imagenet2012", folder, features, splits)


def coco_captions(index: int) -> list[str]:
    """Five captions of a picture, but six of every fourth."""
    things = ("dog", "boat", "cake", "train", "kite")
    thing = f"{things[index % 5]} number {index}"
    words = (
        f"a {thing}",
        f"the {thing} here",
        f"one {thing} outside",
        f"see a {thing}",
        f"{thing}",
    )
    return [*words, *(["a sixth caption"] if index % 4 == 0 else [])]


def write_coco(folder: Path, train: int = 18, val: int = 9) -> DataConfig:
    """Captions and boxes in sequences, under the config that TFDS gives them."""
    features = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "image/filename": tfds.features.Text(),
        "image/id": np.int64,
        "objects": tfds.features.Sequence(
            {
                "id": np.int64,
                "area": np.int64,
                "bbox": tfds.features.BBoxFeature(),
                "label": tfds.features.ClassLabel(names=["dog", "boat"]),
                "is_crowd": np.bool_,
            }
        ),
        "captions": tfds.features.Sequence({"text": np.str_, "id": np.int64}),
    }
    box = tfds.features.BBox(0.0, 0.1, 0.5, 0.9)
    thing = {"id": 1, "area": 4, "bbox": box, "label": 0, "is_crowd": False}

    def rows(first: int, count: int) -> list[Row]:
        return [
            {
                "image": encoded(blob(i, i, (48, 64 + i)), "JPEG"),
                "image/filename": f"{i}.jpg",
                "image/id": i,
                "objects": [thing] * (i % 3),
                "captions": [{"text": t, "id": j} for j, t in enumerate(coco_captions(i))],
            }
            for i in range(first, first + count)
        ]

    splits = {"train": rows(0, train), "val": rows(100, val)}
    return write_set("coco_captions", folder, features, splits, config="2014")
