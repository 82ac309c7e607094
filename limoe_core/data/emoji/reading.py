"""The emoji set from disk, as pairs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from limoe_core.data.emoji.art import SIDE
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.data.pictures.opening import open_picture

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
    return PairSet(
        name=f"emoji/{builder.builder_config.name}:{builder.version}",
        split=split,
        pictures=ArrayPictures(decode_pngs([example["image"] for example in examples])),
        concept=np.asarray(concept, np.int32),
        style=np.array([example["style"].decode() for example in examples], dtype=np.str_),
        category=table.category[concept],
        concepts=table,
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


def decode_pngs(encoded: Sequence[bytes]) -> np.ndarray:
    """PNGs to uint8 (n, 72, 72, 4)."""
    pixels = np.empty((len(encoded), SIDE, SIDE, 4), np.uint8)

    def decode(index: int) -> None:
        pixels[index] = np.asarray(open_picture(encoded[index])[0].convert("RGBA"))

    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
        for _ in pool.map(decode, range(len(encoded)), chunksize=64):
            pass
    return pixels
