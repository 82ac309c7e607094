"""The emoji set as a data set object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.building import build_once, is_whole
from limoe_core.data.dataset import ClassSet, DataSet, Probed, Reported
from limoe_core.data.emoji.art import art_folder, has_full_art
from limoe_core.data.emoji.concepts import LANGUAGES
from limoe_core.data.emoji.relatives import base_concept
from limoe_core.data.emoji.splits import FAMILY
from limoe_core.data.emoji.version import CONFIGS, VERSION
from limoe_core.data.labelled import Categories
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import SIDE, ConceptTable, PairSet

if TYPE_CHECKING:
    from limoe_core.data.emoji.builder import Emoji


class EmojiSet(DataSet):
    """Some 1,900 concepts in two or nine art styles, built on first use from installed packages.

    Its config `auto` is `full` where that is built or its art is on this machine, else `base`.
    """

    name = "emoji"
    # A picture of test_style shows a concept that training knows, so it is one among all.
    tasks: Mapping[str, tuple[ClassSet, ...]] = {
        "test_style": ("all",),
        "test_concept": ("split", "all"),
        "validation": ("split", "all"),
    }
    unseen = ("test_style", "test_concept", "validation")
    split_words: Mapping[str, str] = {
        "test_style": "a trained concept in an art style that training left out",
        "test_concept": "a concept that training never saw",
        "validation": "a concept that training never saw",
    }
    templates = ("{}", "a picture of {}", "an emoji of {}", "a drawing of {}", "{} icon")
    languages = LANGUAGES
    can_build = True
    sources = "seven further art styles of emoji, 25 MB"

    def style_family(self, style: str) -> str:
        """See `DataSet.style_family`."""
        return FAMILY[style]

    def base_concept(self, key: str) -> str:
        """See `DataSet.base_concept`."""
        return base_concept(key)

    def strata(self, concepts: ConceptTable) -> Shaped[np.ndarray, " c"]:
        """See `DataSet.strata`: flags; siblings, which are variants of one another; the rest.

        Since version 2.0.0 of the set, siblings are in one split. In 1.0.0 those of a test could be
        in training, and were most of what was known of new concepts.
        """
        from limoe_core.data.emoji.relatives import base_concept

        bases = np.array([base_concept(str(key)) for key in concepts.keys])
        _, place, count = np.unique(bases, return_inverse=True, return_counts=True)
        flags = np.asarray(concepts.category) == "Flags"
        return np.select([flags, count[place] > 1], ["flags", "siblings"], "rest")

    def resolve(self, config: DataConfig) -> str:
        """See `DataSet.resolve`."""
        if config.config != "auto":
            return config.config
        folder = data_directory(config.dir)
        prepared = (folder / self.name / "full" / VERSION).is_dir()
        return "full" if prepared or has_full_art(art_folder(folder)) else "base"

    def is_ready(self, config: DataConfig) -> bool:
        """True if it is built; looks only at folders."""
        name = self.resolve(config)
        return name in CONFIGS and is_whole(data_directory(config.dir) / self.name / name / VERSION)

    def missing(self, config: DataConfig) -> str:
        """See `DataSet.missing`."""
        name, folder = self._known_config(config), data_directory(config.dir) / self.name
        return (
            f"the data set {self.name}/{name}/{VERSION} is not built in {folder / name}; training "
            "or evaluating builds it"
        )

    def cannot_build(self, config: DataConfig) -> str | None:
        """See `DataSet.cannot_build`."""
        art = art_folder(data_directory(config.dir))
        if self._known_config(config) != "full" or has_full_art(art):
            return None
        place = f" ARGS='--dir {config.dir}'" if config.dir else ""
        return (
            f"the emoji set's config 'full' needs art that is not in {art}; fetch it with "
            f"`make data{place}`, or take --data.config base"
        )

    def build(self, config: DataConfig, *, progress: Reported = True) -> None:
        """See `DataSet.build`; takes about a minute."""
        if (why := self.cannot_build(config)) is not None:
            raise ConfigError(why)
        builder = self._builder(config)
        builder.progress = progress
        build_once(builder)

    def fetch(self, data_dir: Path, *, progress: bool = True) -> list[Path]:
        """Gets the seven further art styles of the config `full`; see `DataSet.fetch`."""
        from limoe_core.data.emoji.fetch import fetch_art

        return fetch_art(data_dir, progress=progress)

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """See `DataSet.load`; pictures are 72 pixels large, whatever `side` says."""
        from limoe_core.data.emoji.reading import read_split

        builder = self._builder(config)
        if split not in builder.info.splits:
            raise ConfigError(f"no split {split!r}; there are {', '.join(builder.info.splits)}")
        return read_split(builder, split)

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Categories of emoji, tested on concepts that training never saw.

        So no picture of the same thing is among the examples.
        """
        train = Categories(self.load(config, "train", progress=progress))
        test = Categories(self.load(config, "test_concept", progress=progress))
        labels = test.labels(np.arange(len(test)))
        return Probed(train, test.pairs, labels, len(test.names), test.names)

    def _builder(self, config: DataConfig) -> Emoji:
        from limoe_core.data.emoji.builder import Emoji

        name = self._known_config(config)
        return Emoji(config=name, data_dir=data_directory(config.dir), file_format="array_record")

    def _known_config(self, config: DataConfig) -> str:
        name = self.resolve(config)
        if name not in CONFIGS:
            raise ConfigError(
                f"data.config: the emoji set has no config {name!r}; there are auto, "
                f"{', '.join(CONFIGS)}"
            )
        if config.class_names is not None:
            raise ConfigError("the emoji set has names of its own; leave --data.class-names out")
        return name


EMOJI = EmojiSet()
