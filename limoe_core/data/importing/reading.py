"""Imported pairs from disk: tables at once, pictures when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int32

from limoe_core.config import ConfigError
from limoe_core.data.importing.builder import PICTURES as PICTURES_SPLIT
from limoe_core.data.importing.records import DEFAULT_LANGUAGE
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.tables import CAPTIONS, DIGEST, PICTURES
from limoe_core.data.negatives import copy_groups
from limoe_core.data.pairs import ConceptTable, PairSet, new_digest
from limoe_core.data.prepared_split import SourcePictures


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
    source = builder.as_data_source(
        split=PICTURES_SPLIT, decoders={"image": tfds.decode.SkipDecoding()}
    )
    pictures = _read(folder / PICTURES, "record", "content", "label", "category", "split")
    places = np.flatnonzero(pc.equal(pictures["split"], split).to_numpy())
    own = pictures.take(places)
    category = np.array(own["category"].to_pylist(), dtype=np.str_)
    if report.labelled:
        concept = own["label"].to_numpy().astype(np.int32)
        table = _class_table(report.classes, class_names)
    else:
        concept = np.arange(len(own), dtype=np.int32)
        table = _caption_table(own, _captions_of(folder, places, len(pictures)), category, report)
    name = f"{builder.info.name}/{builder.builder_config.name}:{builder.version}"
    return PairSet(
        name=name,
        split=split,
        pictures=SourcePictures(
            source,
            own["record"].to_numpy().astype(np.int64),
            side,
            f"the split {split} of {name}",
            _digest(own["content"]),
        ),
        concept=concept,
        style=np.full(len(own), "", dtype="<U1"),
        category=category,
        concepts=table,
        copy=_copies(own["content"]) if report.copies_between_classes else None,
    )


@dataclass(frozen=True)
class _Captions:
    """Captions of a split's pictures, in the order of the pictures."""

    picture: Int32[np.ndarray, " n"]
    language: list[str]
    text: list[str]


def _read(path: Path, *columns: str) -> pa.Table:
    try:
        return pq.read_table(path).select(columns)
    except (OSError, pa.ArrowException, KeyError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{path} is damaged ({why[:200]}); remove its folder, and the pairs are imported anew"
        ) from error


def _captions_of(folder: Path, places: np.ndarray, pictures: int) -> _Captions:
    table = _read(folder / CAPTIONS, "picture", "language", "text")
    here = np.full(pictures, -1, np.int32)
    here[places] = np.arange(len(places))
    picture = here[table["picture"].to_numpy()]
    own = np.flatnonzero(picture >= 0)
    table = table.take(own)
    return _Captions(picture[own], table["language"].to_pylist(), table["text"].to_pylist())


def _caption_table(
    own: pa.Table, captions: _Captions, category: np.ndarray, report: Report
) -> ConceptTable:
    languages = sorted(report.languages, key=lambda name: (name != DEFAULT_LANGUAGE, name))
    names = {language: [""] * len(own) for language in languages}
    aliases: list[tuple[str, ...]] = [()] * len(own)
    said = zip(captions.picture.tolist(), captions.language, captions.text, strict=True)
    for picture, language, text in said:
        if not names[language][picture]:
            names[language][picture] = text
        elif language == languages[0] and text != names[language][picture]:
            aliases[picture] = tuple(dict.fromkeys((*aliases[picture], text)))
    for picture in range(len(own)):
        first = next(names[each][picture] for each in languages if names[each][picture])
        for language in languages:
            names[language][picture] = names[language][picture] or first
    return ConceptTable(
        keys=np.array([content.hex() for content in own["content"].to_pylist()], dtype=np.str_),
        names={language: np.array(found, dtype=np.str_) for language, found in names.items()},
        aliases=aliases,
        category=category,
    )


def _class_table(labels: list[str], names: list[str]) -> ConceptTable:
    return ConceptTable(
        keys=np.array(labels, dtype=np.str_),
        names={DEFAULT_LANGUAGE: np.array(names, dtype=np.str_)},
        aliases=[()] * len(labels),
        category=np.full(len(labels), "", dtype="<U1"),
    )


def _copies(content: pa.ChunkedArray) -> Int32[np.ndarray, " n"] | None:
    """See `PairSet.copy`; of pictures with captions, none is there twice."""
    return copy_groups(np.frombuffer(b"".join(content.to_pylist()), "<u8")[:: DIGEST // 8])


def _digest(content: pa.ChunkedArray) -> str:
    """Of the pictures in their order, which goes by their content alone."""
    found = new_digest()
    found.update(b"".join(content.to_pylist()))
    return found.hexdigest()
