"""Data sets as objects that say what they can do.

A built-in set is a folder in `limoe_core/data` and a line in `limoe_core.data.registry`. Training,
evaluation and the dashboard ask the object, and never compare its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Integer, Shaped

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.labelled import Labelled
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet

#: Which class names an answer is chosen from: those of all concepts of the data set, or of the
#: split's own.
ClassSet = Literal["all", "split"]

#: Whether to show progress bars, or else who is told, with (done, total), how far it is.
Reported = bool | Callable[[int, int], None]


class DataSet(ABC):
    """A data set: its splits, its words, and how it comes onto this machine and is read.

    Every method takes the settings, since they say which config of the set is meant and where it
    lies. `train` and `validation` are splits of every set.
    """

    name: str
    """Name for `--data.name`."""
    tasks: Mapping[str, tuple[ClassSet, ...]] = {"validation": ("all",)}
    """Splits that an evaluation asks by default, with the classes to choose from."""
    unseen: tuple[str, ...] = ()
    """Splits that training never sees and whose pictures fit in memory, best to look at first; the
    dashboard shows them."""
    split_words: Mapping[str, str] = {}
    """What training knew of a picture of a split, in words, where the set's splits tell."""
    templates: tuple[str, ...] = ("{}", "a picture of {}", "a photo of a {}.", "a photo of the {}.")
    """Prompt templates of the ensemble, each with a place for the class name."""
    languages: tuple[str, ...] = ("en",)
    """Languages of its captions, English first where there is any."""
    can_build: bool = False
    """True if `build` can make it from files on this machine."""
    sources: str = ""
    """What `fetch` gets, with its size in words; "" for nothing."""

    @property
    def default_tasks(self) -> tuple[str, ...]:
        """Tasks of an evaluation of a run that was trained on this set."""
        return tuple(self.tasks)

    def class_sets(self, split: str) -> tuple[ClassSet, ...]:
        """Classes that pictures of a split are told apart by; see `ClassSet`."""
        return self.tasks.get(split, ("all",))

    def resolve(self, config: DataConfig) -> str:
        """The builder config that `config.config` stands for on this machine."""
        return config.config

    def strata(self, concepts: ConceptTable) -> Shaped[np.ndarray, " c"] | None:
        """A kind of each concept, (c,) str, where kinds are of unlike difficulty; None for none."""
        return None

    def part(self, split: str) -> tuple[DataSet, str]:
        """The set whose concepts a split has, and the split with its pictures of training.

        Another than this one where several sets are shown together.
        """
        return self, "train"

    def label(self, config: DataConfig) -> str:
        """What the set is called in the names of tasks, where it is not the run's own."""
        return self.name

    def style_family(self, style: str) -> str:
        """What styles that are drawn after one another have in common; by default each is one."""
        return style

    def base_concept(self, key: str) -> str:
        """What concepts that differ in next to nothing have in common; by default each is one.

        Args:
          key: of `ConceptTable.keys`.
        """
        return key

    def notes(self, config: DataConfig) -> list[str]:
        """What whoever trains on it should know of how it was made, in sentences."""
        return []

    @abstractmethod
    def is_ready(self, config: DataConfig) -> bool:
        """True if it can be read on this machine now."""

    def missing(self, config: DataConfig) -> str:
        """A sentence that says what to do if it is not ready."""
        return f"the data set {self.name} is not on this machine"

    def cannot_build(self, config: DataConfig) -> str | None:
        """A sentence that says why `build` cannot make it here; None if it can."""
        return None if self.can_build else self.missing(config)

    def build(self, config: DataConfig, *, progress: Reported = True) -> None:
        """Makes it, whole or not at all; may be called by several processes at once.

        Args:
          progress: see `Reported`; what it raises ends the build, and nothing is left of it.

        Raises:
          ConfigError: it cannot be made here; the message says what to do.
        """
        raise ConfigError(self.missing(config))

    def fetch(self, data_dir: Path, *, progress: bool = True) -> list[Path]:
        """Gets what further configs are built from over the network; nobody calls it unasked.

        Returns:
          the files that were fetched; none where nothing was missing.

        Raises:
          limoe_core.data.npm.FetchError: they cannot be had.
        """
        return []

    @abstractmethod
    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """The pairs of a split of a set that is ready.

        Args:
          side: of the square that pictures are fitted into, where they are not stored in one.

        Raises:
          ConfigError: the set or the split is not there; the message says what to do.
        """

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Training and test pictures of a linear probe of this set.

        Raises:
          ConfigError: the set has no labels.
        """
        raise ConfigError(needs_labels(self.name))


@dataclass(frozen=True, eq=False)
class Probed:
    """Labelled pictures for a linear probe."""

    train: Labelled
    """Pictures to draw examples from."""
    test: PairSet
    labels: Integer[np.ndarray, " n"]
    """Class of each test picture; -1 where it has none."""
    classes: int
    names: Sequence[str] = ()
    """Names of the classes, if they are not the concepts of `test`."""


def needs_labels(name: str) -> str:
    """Why a set without labels cannot be probed."""
    return (
        f"linear_probe needs labels, and {name} has captions; a set with labels can be probed "
        "whatever the run was trained on, as with --tasks linear_probe_cifar100"
    )
