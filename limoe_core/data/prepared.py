"""Any TFDS data set of pictures with captions or labels, if it has been prepared on disk.

It must lie in the ArrayRecord format, which can be read without TensorFlow. Pictures are fitted
into 72×72 pixels, the size of the emoji set, when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import ConceptTable, PairSet
from limoe_core.data.preprocess import fit_square

_SIDE = 72
_CAPTION_FEATURES = ("captions", "caption", "text")
_LABEL_FEATURES = ("label", "labels")
#: What else a split may be called in a data set that lacks one of ours.
_STAND_INS = {"validation": ("validation", "test"), "test": ("test", "validation")}
_READ_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class SourcePictures:
    """Pictures that are read from disk when they are asked for."""

    source: Any

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "72 72 4"]:
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b 72 72 4"]:
        """Several pictures at once."""
        places = np.asarray(indices, np.intp).reshape(-1)
        out = np.full((len(places), _SIDE, _SIDE, 4), 255, np.uint8)
        if len(places):
            for row, example in enumerate(self.source.__getitems__(places.tolist())):
                out[row, ..., :3] = fit_square(example["image"], _SIDE)
        return out


def load_prepared(config: DataConfig, split: str) -> PairSet:
    """The pairs of one split of a data set that TFDS has prepared.

    A label becomes a concept named by its class; a picture with captions becomes a concept of its
    own, named by its first caption, the others being aliases. All of it counts as English.

    Raises:
      ConfigError: the data set or the split is not there, or it has no pictures, or no text.
    """
    builder = _builder(config)
    wanted = _split(builder, split)
    features = builder.info.features
    if "image" not in features:
        raise ConfigError(
            f"the data set {config.name} has no feature 'image'; it has {', '.join(features)}"
        )
    try:
        pictures = builder.as_data_source(split=wanted)
    except (NotImplementedError, ValueError) as error:
        raise ConfigError(
            f"the data set {config.name} is prepared in a format that cannot be read without "
            f"TensorFlow; prepare it with {_command(config)}"
        ) from error
    label = next((name for name in _LABEL_FEATURES if name in features), None)
    caption = next((name for name in _CAPTION_FEATURES if name in features), None)
    if caption is not None:
        texts = [_texts(value) for value in _column(builder, wanted, caption)]
        table = _caption_table(wanted, texts)
        concept = np.arange(len(texts), dtype=np.int32)
    elif label is not None and hasattr(features[label], "names"):
        table = _label_table(features[label].names)
        place = {name: index for index, name in enumerate(table.keys.tolist())}
        order = np.array([place[name] for name in features[label].names], np.int32)
        concept = order[np.array(_column(builder, wanted, label), np.int64)]
    else:
        raise ConfigError(
            f"the data set {config.name} has neither captions ({', '.join(_CAPTION_FEATURES)}) nor "
            f"named labels ({', '.join(_LABEL_FEATURES)}); it has {', '.join(features)}"
        )
    empty = np.full(len(concept), "", dtype="<U1")
    return PairSet(
        name=builder.info.full_name,
        split=wanted,
        pictures=SourcePictures(pictures),
        concept=concept,
        style=empty,
        category=empty,
        concepts=table,
    )


def _builder(config: DataConfig) -> Any:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    builder_config = None if config.config == "auto" else config.config
    folder = data_directory(config.dir)
    try:
        return builder_from_files(config.name, config=builder_config, data_dir=folder)
    except (tfds.core.DatasetNotFoundError, FileNotFoundError) as error:
        raise ConfigError(
            f"the data set {config.name} is not in {folder}; prepare it with {_command(config)}"
        ) from error


def _command(config: DataConfig) -> str:
    name = config.name if config.config == "auto" else f"{config.name}/{config.config}"
    folder = data_directory(config.dir)
    return f"`tfds build {name} --file_format=array_record --data_dir={folder}`"


def _split(builder: Any, split: str) -> str:
    for name in _STAND_INS.get(split, (split,)):
        if name in builder.info.splits:
            return name
    raise ConfigError(
        f"the data set {builder.info.full_name} has no split {split!r}; there are "
        f"{', '.join(builder.info.splits)}"
    )


def _column(builder: Any, split: str, name: str) -> list[Any]:
    """One feature of every example, without decoding pictures."""
    import tensorflow_datasets as tfds

    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    values: list[Any] = []
    for start in range(0, len(source), _READ_AT_ONCE):
        stop = min(start + _READ_AT_ONCE, len(source))
        values += [row[name] for row in source.__getitems__(list(range(start, stop)))]
    return values


def _texts(value: Any) -> list[str]:
    """The captions of an example, however its data set keeps them."""
    if isinstance(value, dict):  # A TFDS sequence of records, such as coco_captions.
        value = value["text"]
    if isinstance(value, bytes | str):
        value = [value]
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in value]
    return texts or [""]


def _caption_table(split: str, texts: list[list[str]]) -> ConceptTable:
    return ConceptTable(
        keys=np.array([f"{split}/{index:08d}" for index in range(len(texts))]),
        names={"en": np.array([found[0] for found in texts])},
        aliases=[tuple(found[1:]) for found in texts],
        category=np.full(len(texts), "", dtype="<U1"),
    )


def _label_table(names: Sequence[str]) -> ConceptTable:
    keys = np.array(sorted(names))
    return ConceptTable(
        keys=keys,
        names={"en": np.array([str(key).replace("_", " ") for key in keys])},
        aliases=[()] * len(keys),
        category=np.full(len(keys), "", dtype="<U1"),
    )
