"""One split of a prepared set: records on disk, of which some may be left out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from limoe_core.config import ConfigError
from limoe_core.data.caption_file import CaptionFile
from limoe_core.data.pairs import SIDE, ConceptTable
from limoe_core.data.preprocess import PictureError, fitted, open_picture
from limoe_core.data.records import encoded_pictures
from limoe_core.data.said import Captions, Labels
from limoe_core.data.survey import DECODED_AT_MOST, Survey, survey_with
from limoe_core.data.threads import each


class _Told:
    """Tells of damaged pictures: of the first, the tenth, the hundredth, … of a process."""

    def __init__(self) -> None:
        self._count, self._next, self._lock = 0, 1, threading.Lock()

    def tell(self, what: str) -> None:
        """One more."""
        with self._lock:
            self._count += 1
            if self._count < self._next:
                return
            self._next *= 10
        print(f"warning: {what} ({self._count:,} such so far)", file=sys.stderr)


_BLANK = _Told()


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
    blank: bool = False
    """Whether one that cannot be read is shown as white, and told, instead of ending it all.

    Every process of a run must make the same batch, so it cannot be replaced by another pair."""

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "s s 4"]:
        return self.batch([index])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b s s 4"]:
        """Several pictures at once.

        Raises:
          ConfigError: one of them is damaged, and not to be shown as white.
        """
        records = self.records[np.asarray(indices, np.intp).reshape(-1)].tolist()
        out = np.full((len(records), self.side, self.side, 4), 255, np.uint8)
        encoded = encoded_pictures(self.source, records)

        def decode(row: int) -> None:
            try:
                # Twice the size is enough for the filter and decodes a large JPEG much faster.
                picture, _ = open_picture(encoded[row], at_least=2 * self.side)
            except PictureError as error:
                told = f"the picture of record {records[row]} of {self.origin} cannot be read"
                if not self.blank:
                    raise ConfigError(f"{told}: {error}") from error
                _BLANK.tell(f"{told}, so a white one is shown: {error}")
                return
            out[row] = np.asarray(fitted(picture, self.side).convert("RGBA"))

        for _ in each(decode, range(len(records))):
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
    blank: bool = False
    """Whether damaged pictures are not known yet, and so are shown as white."""
    said: CaptionFile | Int32[np.ndarray, " records"] | None = None
    """Captions, or numbers of labels, of all records; None before `surveyed`."""

    def __len__(self) -> int:
        return len(self.records)

    @property
    def origin(self) -> str:
        """The split in words."""
        return f"the split {self.split} of {self.name}"

    @property
    def pictures(self) -> SourcePictures:
        """The pictures, by place."""
        return SourcePictures(
            self.source, self.records, self.side, self.origin, self.content, self.blank
        )

    def surveyed(self, *, refuse: bool = False, progress: bool = False) -> PreparedSplit:
        """The same without the records whose picture cannot be read, and with all that is said.

        Reads every record, unless the survey of these files is kept from before. Of more than
        `DECODED_AT_MOST` records pictures are not decoded, so damaged ones are not known: they are
        shown as white.

        Args:
          refuse: whether to look for damaged ones among any number.

        Raises:
          ConfigError: a caption is not UTF-8.
        """
        decode = refuse or len(self.source) <= DECODED_AT_MOST
        read = (self.source, self.files, self.split)
        found: Survey
        said: CaptionFile | Int32[np.ndarray, " n"]
        if self.caption:
            captions = Captions(self.caption, self.origin)
            found, said = survey_with(captions, *read, decode=decode, progress=progress)
        else:
            found, said = survey_with(Labels(self.label), *read, decode=decode, progress=progress)
        records = self.records
        if found.damaged:
            records = np.setdiff1d(records, np.fromiter(found.damaged, np.int64))
        return replace(
            self,
            records=records,
            content=found.content,
            damaged=found.damaged,
            copies=found.copies,
            blank=not decode,
            said=said,
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
        if isinstance(self.said, np.ndarray):
            numbers = self.said[self.records[np.asarray(places, np.intp).reshape(-1)]]
        else:
            found = [example[self.label] for example in self._examples(places)]
            numbers = np.array(found, np.int32)
        return np.where(numbers < 0, -1, self.concept_of_label[numbers]).astype(np.int32)

    def captions(self, places: Sequence[int] | np.ndarray) -> list[list[str]]:
        """All captions of each of these pictures; those of a split that is surveyed.

        Raises:
          ValueError: it is not surveyed, or has labels.
        """
        if not isinstance(self.said, CaptionFile):
            raise ValueError(f"{self.origin} is not surveyed, or has no captions")
        records = self.records[np.asarray(places, np.intp).reshape(-1)]
        names = self.said.names("en").read(records)
        aliases = self.said.aliases().read(records)
        return [[name, *more] for name, more in zip(names, aliases, strict=True)]

    def _examples(self, places: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        chosen = self.records[np.asarray(places, np.intp).reshape(-1)]
        return self.source.__getitems__(chosen.tolist())
