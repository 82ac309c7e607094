"""What the records of a prepared split say of their pictures: columns of its survey."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int32

from limoe_core.data.caption_file import CaptionFile, caption_schema
from limoe_core.data.survey import Examples
from limoe_core.settings import ConfigError

_OF = b"of"


@dataclass(frozen=True)
class Captions:
    """The captions of each record; all are in English, as far as anybody knows."""

    feature: str
    origin: str
    """The split, for messages."""

    def schema(self, of: Any) -> pa.Schema:
        """See `Column.schema`."""
        return caption_schema(["en"], {"of": of, "feature": self.feature})

    def rows(self, start: int, examples: Examples) -> pa.RecordBatch:
        """See `Column.rows`."""
        texts = [
            captions_of(example[self.feature], f"record {record} of {self.origin}")
            for record, example in enumerate(examples, start)
        ]
        further = pa.array([len(found) - 1 for found in texts], pa.int32())
        return pa.record_batch(
            [pa.array(texts, pa.large_list(pa.large_string())), further],
            schema=caption_schema(["en"]),
        )

    def read(self, file: Path | pa.Buffer, of: Any) -> CaptionFile:
        """See `Column.read`."""
        found = CaptionFile(file)
        if found.of != {"of": of, "feature": self.feature}:
            raise ValueError("captions of another split")
        return found.checked()


@dataclass(frozen=True)
class Labels:
    """The number of each record's label."""

    feature: str

    def schema(self, of: Any) -> pa.Schema:
        """See `Column.schema`."""
        about = json.dumps({"of": of, "feature": self.feature}, sort_keys=True)
        return pa.schema([("label", pa.int32())], metadata={_OF: about})

    def rows(self, start: int, examples: Examples) -> pa.RecordBatch:
        """See `Column.rows`."""
        labels = np.array([example[self.feature] for example in examples], np.int32)
        return pa.record_batch([pa.array(labels)], schema=pa.schema([("label", pa.int32())]))

    def read(self, file: Path | pa.Buffer, of: Any) -> Int32[np.ndarray, " n"]:
        """See `Column.read`."""
        with pa.ipc.open_file(
            pa.memory_map(str(file)) if isinstance(file, Path) else file
        ) as reader:
            if (
                reader.schema != self.schema(of)
                or reader.schema.metadata != self.schema(of).metadata
            ):
                raise ValueError("labels of another split")
            labels = reader.read_all().column("label").to_numpy()
        if len(labels) != of["records"]:
            raise ValueError("not the label of every record")
        return labels


def captions_of(value: Any, where: str) -> list[str]:
    """The captions of an example in any TFDS layout; one empty text where there are none.

    Raises:
      ConfigError: one is not UTF-8.
    """
    if isinstance(value, Mapping):  # A TFDS sequence of records, such as coco_captions.
        value = value["text"]
    if isinstance(value, bytes | str):
        value = [value]
    try:
        texts = [text.decode() if isinstance(text, bytes) else str(text) for text in value]
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"a caption of {where} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "prepare the set with whole texts"
        ) from error
    return texts or [""]
