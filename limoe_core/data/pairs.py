"""Image-text pairs in memory, from any data set."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Int32, Int64, Integer, UInt8

from limoe_core.data.attribution import Attribution
from limoe_core.data.texts import AT_ONCE, TextArray, Texts, json_pieces, read, read_lists

#: Side of a stored picture in pixels, unless the model's input needs more.
SIDE = 72
#: Concepts whose captions a tokenizer is trained on: of more, some are taken.
TRAINING_CONCEPTS = 200_000
#: Texts that are looked at together where not all are.
TEXTS_IN_A_ROW = 1000


def stored_side(image_size: int) -> int:
    """Side of stored pictures, large enough for a model's input and its augmentation."""
    return max(SIDE, round(image_size * 9 / 8))


class PictureStore(Protocol):
    """Pictures of a split, RGBA, all squares of one side; 72 pixels for emoji."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "s s 4"]: ...

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b s s 4"]:
        """Several pictures at once."""
        ...

    def digest(self) -> str:
        """Stands for the content of all pictures, in their order."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPictures:
    """Pictures that fit in memory, decoded once."""

    pixels: UInt8[np.ndarray, "n 72 72 4"]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "72 72 4"]:
        return self.pixels[index]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b 72 72 4"]:
        """Several pictures at once."""
        return self.pixels[np.asarray(indices, np.intp)]

    def digest(self) -> str:
        """See `PictureStore.digest`; of the decoded pixels."""
        found = new_digest()
        found.update(repr(self.pixels.shape).encode())
        found.update(np.ascontiguousarray(self.pixels).data)
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class ChosenPictures:
    """Some of the pictures of a store."""

    store: PictureStore
    places: Integer[np.ndarray, " n"]
    """Which ones, in this order."""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "s s 4"]:
        return self.store[int(self.places[index])]

    def batch(self, indices: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "b s s 4"]:
        """Several pictures at once."""
        return self.store.batch(self.places[np.asarray(indices, np.intp)])

    def digest(self) -> str:
        """See `PictureStore.digest`; of the store and which of its pictures these are."""
        found = new_digest()
        found.update(self.store.digest().encode())
        found.update(self.places.astype("<i8").tobytes())
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class ConceptTable:
    """Concepts that a data set's pictures show, in all splits; sorted by key.

    Where every picture of a large set is a concept of its own, texts stay on disk.
    """

    keys: TextArray
    """(c,) str: for emoji the code points, like `1F34E`."""
    names: Mapping[str, TextArray]
    """(c,) str by language: the one official name. English comes first if it is there.

    Every concept has a name in the first language; "" in another means that it has none there."""
    aliases: Sequence[tuple[str, ...]]
    """Further captions in the first language."""
    category: TextArray
    """(c,) str, "" where the data set has none."""
    digest: str = ""
    """Stands for names and aliases where they stay on disk; "" where they are in memory."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def first_language(self) -> str:
        """The one that every concept has a name in."""
        return next(iter(self.names))

    def languages_of(self, concept: int) -> list[str]:
        """The languages that a concept has a name in; the first one in any case."""
        first, *others = self.names
        return [first, *(language for language in others if self.names[language][concept])]

    def some(self, concepts: Integer[np.ndarray, " n"]) -> ConceptTable:
        """Some of the concepts, with all texts in memory."""
        return ConceptTable(
            np.array(read(self.keys, concepts), np.str_),
            {
                language: np.array(read(names, concepts), np.str_)
                for language, names in self.names.items()
            },
            read_lists(self.aliases, concepts),
            np.array(read(self.category, concepts), np.str_),
        )

    def is_named(
        self, concepts: Integer[np.ndarray, " n"], language: str
    ) -> Bool[np.ndarray, " n"]:
        """Whether concepts have a name in a language; the first one counts in any case."""
        names = self.names[language]
        if language == self.first_language or isinstance(names, Texts):
            return np.ones(len(concepts), bool)  # a file of captions has one for each language
        return names[concepts] != ""

    def captions_of(self, concepts: Integer[np.ndarray, " n"]) -> list[str]:
        """Names in all languages and aliases of some concepts, equal ones as often as they come."""
        found: list[str] = []
        for start in range(0, len(concepts), AT_ONCE):
            some = concepts[start : start + AT_ONCE]
            for language, names in self.names.items():
                found += read(names, some[self.is_named(some, language)])
            for aliases in read_lists(self.aliases, some):
                found += aliases
        return found

    def names_in(self, language: str) -> TextArray:
        """(c,) str: names in a language, and in the first one where there are none in it."""
        names = self.names[language]
        if isinstance(names, Texts):
            return names
        return np.where(names == "", self.names[self.first_language], names)


@dataclass(frozen=True, eq=False)
class PairSet:
    """The pictures of one split and their concepts."""

    name: str
    """Data set, config and version: `emoji/full:1.0.0`."""
    split: str
    pictures: PictureStore
    concept: Int32[np.ndarray, " n"]
    """Index into `concepts` by picture."""
    style: TextArray
    """(n,) str: style of the drawing, "" where the data set does not say."""
    category: TextArray
    """(n,) str."""
    concepts: ConceptTable
    damaged: Mapping[int, str] = field(default_factory=dict)
    """Records that were left out because their picture cannot be read, and why, by number."""
    caption: np.ndarray | None = None
    """(n,) str: a further caption in the first language that is true of this picture alone, as
    "home outline" is of one drawing of a home, "" for none; None where no picture has one."""
    attributions: tuple[Attribution, ...] = ()
    """Authors and licences of the pictures and names."""
    copy: Int32[np.ndarray, " n"] | None = None
    """A number that exact copies of a picture have in common, under whichever concepts they are;
    None where no two pictures are known to be the same."""
    part: Int32[np.ndarray, " n"] | None = None
    """Of sets that are shown together: which of them each picture is of, from 0; None where there
    is but one."""

    def __len__(self) -> int:
        return len(self.concept)

    @functools.cached_property
    def shown(self) -> Integer[np.ndarray, " c"]:
        """The concepts that its pictures show, in rising order."""
        if len(self.concept) and np.all(np.diff(self.concept) == 1):  # each its own
            return self.concept
        return np.unique(self.concept)

    @functools.cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages that every concept of this split has a name in, the first one in any case."""
        first, *others = self.concepts.names
        named = (one for one in others if np.all(self.concepts.is_named(self.shown, one)))
        return (first, *named)

    @functools.cached_property
    def digest(self) -> str:
        """Stands for the content of this split: its pictures, what each shows, and every text.

        Neither the name of the set nor its place on disk counts, so a copy has the same digest.
        """
        found = new_digest()
        found.update(self.pictures.digest().encode())
        found.update(self.concept.astype("<i4").tobytes())
        for piece in self._texts():
            found.update(piece)
        return found.hexdigest()

    def _texts(self) -> Iterator[bytes]:
        """All texts as JSON, piece by piece."""
        table = self.concepts
        yield b"[["
        yield from json_pieces(self.style)
        yield b", "
        yield from json_pieces(self.category)
        yield b"], ["
        if table.digest:  # whose pictures are a concept each, and the pictures are counted already
            yield table.digest.encode()
            return
        yield from json_pieces(table.keys)
        yield b", "
        yield from json_pieces(table.category)
        yield b", "
        yield from json_pieces(table.aliases)
        yield b"], ["
        for number, (language, names) in enumerate(table.names.items()):
            yield b", " if number else b""
            yield from (b"[", json.dumps(language).encode(), b", ")
            yield from json_pieces(names)
            yield b"]"
        yield b"]]"
        if self.caption is not None:
            yield from json_pieces(self.caption)

    def some(self, places: Integer[np.ndarray, " m"]) -> PairSet:
        """Some of the pairs; where each has a concept of its own, of these concepts alone."""
        concept, table = self.concept[places], self.concepts
        if table.digest:
            concept, table = np.arange(len(places), dtype=np.int32), table.some(concept)
        return replace(
            self,
            pictures=ChosenPictures(self.pictures, places),
            concept=concept,
            style=np.array(read(self.style, places), np.str_),
            category=np.array(read(self.category, places), np.str_),
            concepts=table,
            caption=None if self.caption is None else np.array(read(self.caption, places)),
            copy=None if self.copy is None else self.copy[places],
            part=None if self.part is None else self.part[places],
        )

    def captions(self, at_most: int = TRAINING_CONCEPTS) -> list[str]:
        """Captions of this split, in all languages, to train a tokenizer on.

        Each distinct text once, in an order that depends on the data alone.

        Args:
          at_most: of more concepts, or of more captions of single pictures, so many are taken,
            spread evenly over all.
        """
        some = spread(len(self.shown), at_most, TEXTS_IN_A_ROW)
        texts = self.concepts.captions_of(self.shown[some])
        if self.caption is not None:
            texts += read(self.caption, spread(len(self), at_most, TEXTS_IN_A_ROW))
        return list(dict.fromkeys(filter(None, texts)))


def spread(count: int, at_most: int, run: int = 1) -> Int64[np.ndarray, " m"]:
    """Places among `count`, all of them, or so many as there may be, spread evenly.

    Args:
      run: places that follow one another, as such are read faster from a file.
    """
    if count <= at_most:
        return np.arange(count)
    starts = np.linspace(0, count - run, max(1, at_most // run)).round().astype(np.int64)
    return (starts[:, None] + np.arange(run)).reshape(-1)


def new_digest() -> hashlib.blake2b:
    """The hash that all digests of data are made with."""
    return hashlib.blake2b(digest_size=16)


def name_ceiling(concepts: ConceptTable, language: str) -> float:
    """Accuracy of perfect knowledge among all concept names of a language.

    Below 1 where concepts share a name: of k concepts with one name, a guess among them is right
    for one in k. Case is ignored.

    Args:
      concepts: the classes.
      language: a key of `concepts.names`.
    """
    names = [str(name).casefold() for name in concepts.names[language]]
    return len(set(names)) / len(names)
