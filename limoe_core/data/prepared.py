"""Any TFDS data set of pictures with captions or labels that is prepared on disk.

It must be in the ArrayRecord format, which can be read without TensorFlow. Pictures stay on disk;
they are decoded and fitted into a square when they are read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.caption_file import CaptionFile, caption_table
from limoe_core.data.class_names import readable_names
from limoe_core.data.description import check_description, newest_version
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet
from limoe_core.data.prepared_split import PreparedSplit
from limoe_core.data.texts import Made, Texts, empty

_CAPTION_FEATURES = ("captions", "caption", "text")
_LABEL_FEATURES = ("label", "labels")
#: Other names of a split, for data sets that lack one of ours.
_STAND_INS = {
    "validation": ("validation", "val", "test"),
    "test": ("test", "validation", "val"),
}


def load_prepared(
    config: DataConfig,
    split: str,
    *,
    side: int = SIDE,
    progress: bool = False,
    by_hand: str = "",
) -> PairSet:
    """The pairs of one split of a data set that TFDS has prepared.

    A label becomes a concept named by its class; a picture with captions becomes a concept of its
    own, named by its first caption, the others being aliases. All of it counts as English. Records
    whose picture cannot be read are left out, and named in `PairSet.damaged`; of a large split,
    whose pictures are not looked at before, they are shown as white instead.

    Args:
      side: side of the square that pictures are fitted into, in pixels.
      progress: whether to show a bar while records are read.
      by_hand: see `limoe_core.data.catalogue.PreparedSet`.

    Raises:
      ConfigError: the data set or the split is missing, or has no pictures or no text; or a picture
        is damaged and `data.damaged` is `refuse`.
    """
    opened = open_prepared(config, split, side=side, by_hand=by_hand)
    opened = opened.surveyed(refuse=config.damaged == "refuse", progress=progress)
    _check_damage(opened, config)
    places = np.arange(len(opened))
    if isinstance(opened.said, CaptionFile):
        table = caption_table(opened.said, opened.records, _keys(opened))
        concept = places.astype(np.int32)
    else:
        table = opened.classes
        concept = opened.labels(places)
        if np.any(concept < 0):
            raise ConfigError(
                f"the split {opened.split} of {opened.name} has pictures without a label; take "
                "another split"
            )
    return PairSet(
        name=opened.name,
        split=opened.split,
        pictures=opened.pictures,
        concept=concept,
        style=empty(len(opened)),
        category=empty(len(opened)),
        concepts=table,
        damaged=opened.damaged,
        copy=opened.copy,
    )


def _keys(opened: PreparedSplit) -> Texts:
    split = opened.split
    return Made(len(opened), lambda places: [f"{split}/{place:08d}" for place in places.tolist()])


def _check_damage(opened: PreparedSplit, config: DataConfig) -> None:
    if not opened.damaged:
        return
    record, why = next(iter(opened.damaged.items()))
    first = f"the picture of record {record} of {opened.origin} cannot be read: {why}"
    if config.damaged == "refuse":
        raise ConfigError(
            f"{first} ({len(opened.damaged)} such in all); mend the set, or leave them out with "
            "--data.damaged skip"
        )
    if not len(opened):
        raise ConfigError(f"no picture of {opened.origin} can be read; {first}")


def open_prepared(
    config: DataConfig, *splits: str, side: int = SIDE, by_hand: str = ""
) -> PreparedSplit:
    """A split of a prepared data set, to be read piece by piece.

    Args:
      splits: its possible names; the first that exists is used.

    Raises:
      ConfigError: as `load_prepared`.
    """
    builder = prepared_builder(config, by_hand)
    split = _split(builder, splits)
    features = builder.info.features
    if "image" not in features:
        raise ConfigError(
            f"the data set {config.name} has no feature 'image'; it has {', '.join(features)}"
        )
    try:
        source = builder.as_data_source(split=split, decoders=_leave_encoded(features))
    except (NotImplementedError, ValueError) as error:
        raise ConfigError(
            f"the data set {config.name} is prepared in a format that cannot be read without "
            f"TensorFlow; on a machine that has it, convert it with `tfds convert_format "
            f"--dataset_version_dir={builder.data_path} --out_file_format=array_record`"
        ) from error
    caption = next((name for name in _CAPTION_FEATURES if name in features), "")
    label = next((name for name in _LABEL_FEATURES if name in features), "")
    labels: list[str] = []
    if not caption:
        if not label or not hasattr(features[label], "names"):
            raise ConfigError(
                f"the data set {config.name} has neither captions "
                f"({', '.join(_CAPTION_FEATURES)}) nor named labels "
                f"({', '.join(_LABEL_FEATURES)}); it has {', '.join(features)}"
            )
        labels = list(features[label].names)
    folder = data_directory(config.dir) / re.split("[/:]", config.name)[0]
    if config.path is not None:
        folder = Path(os.path.expanduser(config.path))
    table, order = _label_table(labels, config, folder)
    return PreparedSplit(
        name=builder.info.full_name,
        split=split,
        source=source,
        side=side,
        caption=caption,
        label=label,
        classes=table,
        concept_of_label=order,
        files=[Path(file) for file in builder.info.splits[split].filepaths],
        records=np.arange(len(source)),
    )


def prepared_builder(config: DataConfig, by_hand: str = "") -> Any:
    """The TFDS builder of a set as it lies on disk.

    Raises:
      ConfigError: it is not there (the message is `how_to_prepare`), it is damaged, or its
        description may not be read (`check_description`).
    """
    import tensorflow_datasets as tfds

    folder = _version_folder(config)
    if folder is None:
        raise ConfigError(how_to_prepare(config, by_hand))
    check_description(folder)
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # TFDS raises many kinds for a damaged description
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"the data set in {folder} is damaged: {reason[:300]}") from error


def prepared_at(path: str | Path) -> tuple[str, Path] | None:
    """The name and the folder of a set that a user names by its place; None if there is none.

    Args:
      path: the folder of a version, or one that has versions in it, of which the newest is taken.

    Raises:
      ConfigError: as `check_description`.
    """
    named = Path(os.path.expanduser(path)).absolute()
    is_version = os.path.isfile(named / "features.json")
    folder = named if is_version else newest_version(named.parent, named.name)
    if folder is None:
        return None
    check_description(folder)
    about = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    name = about.get("name") if isinstance(about, dict) else None
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][\w-]{0,99}", name):
        raise ConfigError(f"the data set in {folder} has no name in its dataset_info.json")
    return name, folder


def _version_folder(config: DataConfig) -> Path | None:
    if config.path is not None:
        found = prepared_at(config.path)
        return None if found is None else found[1]
    name, _, version = config.name.partition(":")
    name, _, named_config = name.partition("/")
    chosen = named_config or (None if config.config == "auto" else config.config)
    return newest_version(data_directory(config.dir) / name, chosen, version or None)


def how_to_prepare(config: DataConfig, by_hand: str = "") -> str:
    """Instructions for a data set that is missing.

    Args:
      by_hand: see `limoe_core.data.catalogue.PreparedSet`.
    """
    folder = data_directory(config.dir)
    name = config.name if config.config == "auto" else f"{config.name}/{config.config}"
    said = (
        f"the data set {config.name} is not in {folder}; prepare it with `tfds build {name} "
        f"--file_format=array_record --data_dir={folder}`, which needs TensorFlow installed"
    )
    if by_hand:
        said += "; " + by_hand.format(downloads=folder / "downloads" / "manual")
    return said


def _split(builder: Any, splits: Sequence[str]) -> str:
    for split in splits:
        for name in _STAND_INS.get(split, (split,)) if len(splits) == 1 else (split,):
            if name in builder.info.splits:
                return name
    raise ConfigError(
        f"the data set {builder.info.full_name} has no split {' or '.join(map(repr, splits))}; "
        f"there are {', '.join(builder.info.splits)}"
    )


def _leave_encoded(features: Any) -> dict[str, Any]:
    """Decoders for TFDS that leave every picture as it is encoded, however deep it lies.

    Only the picture itself is decoded, by our own code, with its limits; a set may have masks too.
    """
    import tensorflow_datasets as tfds

    class LeftEncoded(tfds.decode.SkipDecoding):
        """TFDS's own knows no sequences without TensorFlow."""

        def decode_batch_example_np(self, examples: Any) -> Any:
            return examples

        decode_ragged_example_np = decode_batch_example_np

    decoders: dict[str, Any] = {}
    for name, kind in features.items():
        while isinstance(kind, tfds.features.Sequence):
            kind = kind.feature
        if isinstance(kind, tfds.features.Image):
            decoders[name] = LeftEncoded()
        elif isinstance(kind, tfds.features.FeaturesDict):
            decoders[name] = _leave_encoded(kind)
    return decoders


def _label_table(
    labels: Sequence[str], config: DataConfig, folder: Path
) -> tuple[ConceptTable, Int32[np.ndarray, " labels"]]:
    """Classes sorted by label, and which of them each label number is."""
    names = readable_names(labels, config.name, folder, config.class_names) if labels else []
    by_key = sorted(range(len(labels)), key=labels.__getitem__)
    order = np.empty(len(labels), np.int32)
    order[by_key] = np.arange(len(labels))
    table = ConceptTable(
        keys=np.array([labels[i] for i in by_key], dtype=np.str_),
        names={"en": np.array([names[i] for i in by_key], dtype=np.str_)},
        aliases=[()] * len(labels),
        category=np.full(len(labels), "", dtype="<U1"),
    )
    return table, order
