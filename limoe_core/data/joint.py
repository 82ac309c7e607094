"""Two data sets as one: a concept that both have is one, and what either withholds is withheld."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int32, Int64

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.dataset import ClassSet, DataSet, Probed, Reported
from limoe_core.data.kept_back import kept_back
from limoe_core.data.labelled import Categories
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet
from limoe_core.data.stored import JoinedPictures
from limoe_core.data.texts import TextArray, empty

#: Splits that have the pictures of both sets.
_SHARED = ("train", "validation", "validation_style")


class JointSet(DataSet):
    """Two sets of pictures of one size, shown together.

    Its splits are `train` and `validation`, which have the pictures of both, `validation_style`,
    which has drawings of concepts of `train` in styles that it does not show them in (see
    `limoe_core.data.kept_back`), and the test splits of each set, called `emoji_test_style` and so
    on, with what it has in training as `emoji_train`. Those have the concepts of that set alone, so
    that an answer is chosen among its names. In the others, a concept of one and a concept of the
    other with the same name in the first language are one, with the captions of both. Of a concept
    that either set withholds, training sees no picture of the other set either.
    """

    can_build = True

    def __init__(self, first: DataSet, second: DataSet, withheld: Sequence[str]) -> None:
        """Joins two sets; see the class.

        Args:
          first: the one that `data.config` is for.
          second: has no configs.
          withheld: splits of concepts that training must not see, whichever of the sets has them.
        """
        self.parts = (first, second)
        self.withheld = tuple(withheld)
        self.name = "+".join(part.name for part in self.parts)
        self._splits = {
            f"{part.name}_{split}": (number, split)
            for number, part in enumerate(self.parts)
            for split in ("train", *part.tasks)
            if split not in _SHARED or split == "train"
        }
        self.tasks: Mapping[str, tuple[ClassSet, ...]] = {
            **{
                name: self.parts[n].tasks[split]
                for name, (n, split) in self._splits.items()
                if split != "train"
            },
            "validation": ("split", "all"),
            "validation_style": ("all",),
        }
        self.unseen = tuple(
            name for name, (n, split) in self._splits.items() if split in self.parts[n].unseen
        )
        self.split_words = {
            **{
                name: f"{self.parts[n].name}: {self.parts[n].split_words[split]}"
                for name, (n, split) in self._splits.items()
                if split in self.parts[n].split_words
            },
            "validation": "a concept that training never saw",
            "validation_style": "a trained concept in an art style that training left out",
        }
        self.templates = first.templates
        self.languages = tuple(dict.fromkeys((*first.languages, *second.languages)))

    def part(self, split: str) -> tuple[DataSet, str]:
        """See `DataSet.part`; of a test split the one that it comes from."""
        if split not in self._splits:
            return self, "train"
        part = self.parts[self._splits[split][0]]
        return part, f"{part.name}_train"

    def resolve(self, config: DataConfig) -> str:
        """See `DataSet.resolve`; a config of the first set."""
        return self.parts[0].resolve(self._of(self.parts[0], config))

    def is_ready(self, config: DataConfig) -> bool:
        """True if both sets are."""
        return not self._unready(config)

    def missing(self, config: DataConfig) -> str:
        """See `DataSet.missing`."""
        return "; ".join(part.missing(self._of(part, config)) for part in self._unready(config))

    def build(self, config: DataConfig, *, progress: Reported = True) -> None:
        """See `DataSet.build`; the second set first, as it may lack what it is built from."""
        for part in reversed(self._unready(config)):
            part.build(self._of(part, config), progress=progress)

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """See `DataSet.load`; pictures are 72 pixels large, whatever `side` says."""
        if split not in (*_SHARED, *self._splits):
            raise ConfigError(
                f"no split {split!r}; there are {', '.join((*_SHARED, *self._splits))}"
            )

        withheld = [
            [
                self._read(config, number, each, progress)
                for each in self.withheld
                if each in part.tasks
            ]
            for number, part in enumerate(self.parts)
        ]
        table, *places = merge(*(found[0].concepts for found in withheld))
        secret = np.zeros(len(table), bool)
        for found, place in zip(withheld, places, strict=True):
            for pairs in found:
                secret[place[pairs.concept]] = True
        versions = "-".join(found[0].name.rpartition(":")[2] for found in withheld)
        name = f"{self.name}/{self.resolve(config)}:{versions}"
        taken = []
        for number, own in [(0, split), (1, split)] if split in _SHARED else [self._splits[split]]:
            shows = "train" if own == "validation_style" else own
            pairs = self._read(config, number, shows, progress)
            concept = places[number][pairs.concept]
            known = secret[concept] if own not in self.withheld else np.zeros(len(pairs), bool)
            wanted = ~known
            if shows == "train":
                back = kept_back(self.parts[number], pairs)
                wanted &= back if own == "validation_style" else ~back
            rows = np.flatnonzero(wanted)
            if split in self._splits:
                return replace(pairs.some(rows), name=name, split=split)
            taken.append(_Taken(pairs, rows, concept[rows].astype(np.int32), number))
        return PairSet(
            name=name,
            split=split,
            pictures=JoinedPictures(
                [each.pairs.pictures for each in taken], [each.rows for each in taken]
            ),
            concept=np.concatenate([each.concept for each in taken]),
            style=np.concatenate([each.pairs.style[each.rows] for each in taken]),
            category=np.concatenate([table.category[each.concept] for each in taken]),
            concepts=table,
            damaged={record: why for each in taken for record, why in each.pairs.damaged.items()},
            caption=np.concatenate([each.captions for each in taken]),
            attributions=tuple(one for each in taken for one in each.pairs.attributions),
            part=np.concatenate([np.full(len(each.rows), each.part, np.int32) for each in taken]),
        )

    def _read(self, config: DataConfig, number: int, split: str, progress: bool) -> PairSet:
        """A split of one of the sets."""
        part = self.parts[number]
        return part.load(self._of(part, config), split, side=SIDE, progress=progress)

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Categories, tested on concepts that training never saw."""
        train = Categories(self.load(config, "train", progress=progress))
        test = Categories(self.load(config, "validation", progress=progress))
        labels = test.labels(np.arange(len(test)))
        return Probed(train, test.pairs, labels, len(test.names), test.names)

    def _of(self, part: DataSet, config: DataConfig) -> DataConfig:
        """The settings of one of the sets."""
        chosen = config.config if part is self.parts[0] else "auto"
        return replace(config, name=part.name, config=chosen)

    def _unready(self, config: DataConfig) -> list[DataSet]:
        return [part for part in self.parts if not part.is_ready(self._of(part, config))]


@dataclass(frozen=True)
class _Taken:
    """What a joint split takes of a split of one of the sets."""

    pairs: PairSet
    rows: Int64[np.ndarray, " n"]
    """Which of its pictures."""
    concept: Int32[np.ndarray, " n"]
    """Of each, in the joint table."""
    part: int
    """Which of the sets."""

    @property
    def captions(self) -> np.ndarray:
        """(n,) str: as `PairSet.caption`."""
        if self.pairs.caption is None:
            return np.full(len(self.rows), "", "<U1")
        return self.pairs.caption[self.rows]


def merge(
    first: ConceptTable, second: ConceptTable
) -> tuple[ConceptTable, Int64[np.ndarray, " c1"], Int64[np.ndarray, " c2"]]:
    """Two tables as one, in which concepts with the same name in the first language are one.

    What both know of a concept is taken from the first table.

    Args:
      first, second: tables with the same first language.

    Returns:
      the table, and the place in it of each concept of either.
    """
    language = first.first_language
    by_name = {_folded(name): at for at, name in reversed([*enumerate(first.names[language])])}
    partner = np.array([by_name.get(_folded(name), -1) for name in second.names[language]], int)
    new = np.flatnonzero(partner < 0)
    keys = np.concatenate([first.keys, second.keys[new]])
    order = np.argsort(keys, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    places = np.empty(len(second), np.int64)
    places[partner >= 0] = place[partner[partner >= 0]]
    places[new] = place[len(first) :]

    def column(own: TextArray | None, others: TextArray | None) -> np.ndarray:
        mine = np.asarray(empty(len(first)) if own is None else own)
        other = np.asarray(empty(len(second)) if others is None else others)
        found = np.full(len(keys), "", np.result_type(mine, other))
        found[places] = other
        mine_too = mine != ""
        found[place[: len(first)][mine_too]] = mine[mine_too]
        return found

    aliases: list[tuple[str, ...]] = [()] * len(keys)
    for table, at in ((first, place), (second, places)):
        for concept, more in enumerate(table.aliases):
            known = aliases[at[concept]]
            aliases[at[concept]] = tuple(dict.fromkeys((*known, *more)))
    languages = dict.fromkeys((*first.names, *second.names))
    joint = ConceptTable(
        keys=keys[order],
        names={each: column(first.names.get(each), second.names.get(each)) for each in languages},
        aliases=aliases,
        category=column(first.category, second.category),
    )
    return joint, place[: len(first)], places


def _folded(name: str) -> str:
    """A name without case and what joins its words, for comparing."""
    return re.sub(r"[\s\-_’'.]+", "", str(name).casefold())
