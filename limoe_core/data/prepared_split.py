"""One split of a prepared set: records on disk, of which some may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from limoe_core.config import ConfigError
from limoe_core.data.pairs import SIDE, ConceptTable
from limoe_core.data.preprocess import PictureError, fit_square, open_picture
from limoe_core.data.survey import survey

_READ_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class SourcePictures:
    """Pictures that are read from disk on access."""

    source: Any
    """Records with their encoded picture."""
    records: Int64[np.ndarray, " n"]
    """Number of each picture's record."""
    side: int = SIDE
    origin: str = "the data set"
    """The split that they are of, for messages."""
    content: str = ""
    """What the survey says of them."""

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "s s 4"]:
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b s s 4"]:
        """Several pictures at once.

        Raises:
          ConfigError: one of them is damaged.
        """
        records = self.records[np.asarray(indices, np.intp).reshape(-1)].tolist()
        out = np.full((len(records), self.side, self.side, 4), 255, np.uint8)
        if not records:
            return out
        examples = self.source.__getitems__(records)

        def decode(row: int) -> None:
            try:
                # Twice the size is enough for the filter and decodes a large JPEG much faster.
                picture, _ = open_picture(examples[row]["image"], at_least=2 * self.side)
            except PictureError as error:
                raise ConfigError(
                    f"the picture of record {records[row]} of {self.origin} cannot be read: {error}"
                ) from error
            out[row, ..., :3] = fit_square(picture, self.side)

        with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter lock.
            for _ in pool.map(decode, range(len(records))):
                pass
        return out

    def digest(self) -> str:
        """See `PictureStore.digest`; of the encoded pictures."""
        return self.content


@dataclass(frozen=True, eq=False)
class PreparedSplit:
    """One split on disk, not read yet."""

    name: str
    """Data set, config and version, as TFDS writes them."""
    split: str
    source: Any
    side: int
    caption: str
    """The feature that holds captions; "" if there are labels instead."""
    label: str
    classes: ConceptTable
    """Of labels; empty where there are captions."""
    concept_of_label: Int32[np.ndarray, " labels"]
    files: Sequence[Path]
    """Files that the split lies in."""
    records: Int64[np.ndarray, " n"]
    """Number of each picture's record in the source."""
    content: str = ""
    """Digest of the pictures; "" before `surveyed`."""
    damaged: Mapping[int, str] = field(default_factory=dict)
    """Records left out by `surveyed`, and why."""
    copies: Sequence[Sequence[int]] = ()
    """Records with the same picture, as `surveyed` found them."""

    def __len__(self) -> int:
        return len(self.records)

    @property
    def origin(self) -> str:
        """The split in words."""
        return f"the split {self.split} of {self.name}"

    @property
    def pictures(self) -> SourcePictures:
        """The pictures, by place."""
        return SourcePictures(self.source, self.records, self.side, self.origin, self.content)

    def surveyed(self, *, progress: bool = False) -> PreparedSplit:
        """The same without the records whose picture cannot be read, and with its digest.

        Reads every picture, unless the survey of these files is kept from before.
        """
        found = survey(self.source, self.files, self.split, progress=progress)
        whole = np.setdiff1d(self.records, np.fromiter(found.damaged, np.int64))
        return replace(
            self,
            records=whole,
            content=found.content,
            damaged=found.damaged,
            copies=found.copies,
        )

    @property
    def copy(self) -> Int32[np.ndarray, " n"] | None:
        """See `PairSet.copy`."""
        if not self.copies:
            return None
        first = np.arange(len(self.source), dtype=np.int32)
        for group in self.copies:
            first[list(group)] = group[0]
        return first[self.records]

    def labels(self, places: Sequence[int] | np.ndarray) -> Int32[np.ndarray, " n"]:
        """Index into `classes` of each of these pictures; -1 where the label is unknown."""
        numbers = np.array([example[self.label] for example in self._examples(places)], np.int64)
        return np.where(numbers < 0, -1, self.concept_of_label[numbers]).astype(np.int32)

    def captions(self, places: Sequence[int] | np.ndarray) -> list[list[str]]:
        """All captions of each of these pictures.

        Raises:
          ConfigError: one is not UTF-8.
        """
        captions = []
        for place, example in zip(places, self._examples(places), strict=True):
            try:
                captions.append(_texts(example[self.caption]))
            except UnicodeDecodeError as error:
                raise ConfigError(
                    f"a caption of record {self.records[place]} of {self.origin} is not UTF-8 text "
                    f"({error.reason} at byte {error.start}); prepare the set with whole texts"
                ) from error
        return captions

    def _examples(self, places: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        chosen = self.records[np.asarray(places, np.intp).reshape(-1)]
        return self.source.__getitems__(chosen.tolist())

    def blocks(self, progress: bool) -> list[Any]:
        """Indices of all pictures, a block at a time, with a bar if it may take a while."""
        from tqdm.auto import tqdm

        starts = range(0, len(self), _READ_AT_ONCE)
        blocks = [range(at, min(at + _READ_AT_ONCE, len(self))) for at in starts]
        quiet = not progress or len(blocks) < 20
        return tqdm(blocks, desc=f"Reading the texts of {self.split}", disable=quiet)


def _texts(value: Any) -> list[str]:
    """The captions of an example in any TFDS layout."""
    if isinstance(value, dict):  # A TFDS sequence of records, such as coco_captions.
        value = value["text"]
    if isinstance(value, bytes | str):
        value = [value]
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in value]
    return texts or [""]
