"""Imported pairs from disk: numbers at once, texts and pictures when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limoe_core.config import ConfigError
from limoe_core.data.caption_file import IN_MEMORY, caption_table
from limoe_core.data.importing.builder import PICTURES
from limoe_core.data.importing.records import DEFAULT_LANGUAGE
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.split_files import (
    PictureFile,
    captions_file,
    pictures_file,
    read_captions,
)
from limoe_core.data.pairs import ConceptTable, PairSet
from limoe_core.data.prepared_split import SourcePictures
from limoe_core.data.texts import TextArray, empty


def read_split(
    builder: Any, report: Report, split: str, class_names: list[str], *, side: int
) -> PairSet:
    """The pairs of a split.

    A class is a concept. A picture with captions is a concept of its own: in each language it is
    named by its first caption, or where it has none by that of the first language that it has. The
    further captions of the first language are aliases.

    Args:
      class_names: readable names of `report.classes`.
      side: of the square that pictures are fitted into.

    Raises:
      ConfigError: there is no such split, or the files are damaged.
    """
    import tensorflow_datasets as tfds

    if split not in report.splits:
        raise ConfigError(
            f"the data set {builder.info.full_name} has no split {split!r}; there are "
            f"{', '.join(report.splits)}"
        )
    folder = Path(builder.info.data_dir)
    source = builder.as_data_source(split=PICTURES, decoders={"image": tfds.decode.SkipDecoding()})
    pictures = PictureFile(pictures_file(folder, split))
    pictures.check(len(source), len(report.classes) if report.labelled else None)
    categories = pictures.categories
    if categories is None:
        category: TextArray = empty(len(pictures))
    else:
        category = categories if len(pictures) > IN_MEMORY else np.asarray(categories)
    if report.labelled:
        concept = pictures.label
        table = _class_table(report.classes, class_names)
    else:
        concept = np.arange(len(pictures), dtype=np.int32)
        captions = read_captions(captions_file(folder, split), len(pictures))
        table = caption_table(captions, concept, pictures.keys, category)
    name = f"{builder.info.name}/{builder.builder_config.name}:{builder.version}"
    return PairSet(
        name=name,
        split=split,
        pictures=SourcePictures(
            source, pictures.records, side, f"the split {split} of {name}", pictures.content
        ),
        concept=concept,
        style=empty(len(pictures)),
        category=category,
        concepts=table,
        copy=pictures.copies if report.copies_between_classes else None,
    )


def _class_table(labels: list[str], names: list[str]) -> ConceptTable:
    return ConceptTable(
        keys=np.array(labels, dtype=np.str_),
        names={DEFAULT_LANGUAGE: np.array(names, dtype=np.str_)},
        aliases=[()] * len(labels),
        category=np.full(len(labels), "", dtype="<U1"),
    )
