"""The icon set from disk, as pairs whose pictures stay there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from limoe_core.data.icons.sets import Collection
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet
from limoe_core.data.stored import StoredPictures
from limoe_core.data.survey import survey


def read_split(builder: Any, split: str, *, progress: bool = True) -> PairSet:
    """The pairs of a split that is built; no record is read but by its survey, which is kept.

    Records whose picture was damaged since it was built are left out.

    Args:
      progress: whether to show a bar while pictures are checked.
    """
    import tensorflow_datasets as tfds

    about = builder.info.metadata
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    files = [Path(file) for file in builder.info.splits[split].filepaths]
    found = survey(source, files, split, progress=progress)
    records = np.setdiff1d(np.arange(len(source)), np.fromiter(found.damaged, np.int64))
    table = _concept_table(about["concepts"])
    columns = about["records"][split]
    concept = np.array(columns["concept"], np.int32)[records]
    style = np.array(about["styles"])[np.array(columns["style"], np.int32)[records]]
    shown = set(np.unique(style).tolist())
    return PairSet(
        name=builder.info.full_name.replace(f"/{builder.version}", f":{builder.version}"),
        split=split,
        pictures=StoredPictures(source, records, found.content),
        concept=concept,
        style=style,
        category=table.category[concept],
        concepts=table,
        damaged=found.damaged,
        caption=np.array(columns["caption"], np.str_)[records],
        attributions=tuple(
            Collection(**{**entry, "tags": tuple(entry["tags"])}).attribution(
                f"drawn at {SIDE}×{SIDE} pixels"
            )
            for entry in about["sets"]
            if entry["prefix"] in shown
        ),
    )


def _concept_table(columns: dict[str, list[str]]) -> ConceptTable:
    keys = np.array(columns["key"], np.str_)
    return ConceptTable(
        keys=keys,
        names={"en": np.array([key.replace("-", " ") for key in columns["key"]], np.str_)},
        aliases=[()] * len(keys),
        category=np.array(columns["category"], np.str_),
    )
