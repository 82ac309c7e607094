"""The emoji set from disk, as pairs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limoe_core.data.emoji.attribution import ATTRIBUTIONS
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.data.stored import decode_pngs

_READ_AT_ONCE = 1024


def read_split(builder: Any, split: str) -> PairSet:
    """The pairs of a split that is built."""
    import tensorflow_datasets as tfds

    table = _concept_table(builder.info.metadata["concepts"])
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    examples: list[dict] = []
    for start in range(0, len(source), _READ_AT_ONCE):
        stop = min(start + _READ_AT_ONCE, len(source))
        examples += source.__getitems__(list(range(start, stop)))
    # An order of our own, so that nothing depends on how TFDS shuffled the records.
    examples.sort(key=lambda example: (example["concept"], example["style"]))
    place = {key: index for index, key in enumerate(table.keys.tolist())}
    concept = [place[example["concept"].decode()] for example in examples]
    style = np.array([example["style"].decode() for example in examples], dtype=np.str_)
    return PairSet(
        name=f"emoji/{builder.builder_config.name}:{builder.version}",
        split=split,
        pictures=ArrayPictures(decode_pngs([example["image"] for example in examples])),
        concept=np.asarray(concept, np.int32),
        style=style,
        category=table.category[concept],
        concepts=table,
        attributions=tuple(
            each for each in ATTRIBUTIONS if each.style in {*style.tolist(), "names"}
        ),
    )


def _concept_table(records: Sequence[dict]) -> ConceptTable:
    records = sorted(records, key=lambda record: record["key"])
    languages = list(records[0]["names"])
    return ConceptTable(
        keys=np.array([record["key"] for record in records]),
        names={
            language: np.array([record["names"][language] for record in records])
            for language in languages
        },
        aliases=[tuple(record["aliases"]) for record in records],
        category=np.array([record["category"] for record in records]),
    )
