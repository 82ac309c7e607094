"""The icon set as a data set object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.building import build_once, is_whole
from limoe_core.data.dataset import ClassSet, DataSet, Probed, Reported
from limoe_core.data.icons.sets import family_of
from limoe_core.data.icons.version import VERSION, tarball
from limoe_core.data.labelled import Categories
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import SIDE, PairSet

if TYPE_CHECKING:
    from limoe_core.data.icons.builder import Icons


class IconsSet(DataSet):
    """Drawings of some 20,000 concepts by the hands of some 170 sets, with English names.

    Built on first use from a package that `make data ARGS=icons` fetches.
    """

    name = "icons"
    # A picture of test_set shows a concept that training knows, so it is one among all.
    tasks: Mapping[str, tuple[ClassSet, ...]] = {
        "test_set": ("all",),
        "test_concept": ("split", "all"),
        "test_both": ("split", "all"),
        "validation": ("split", "all"),
    }
    unseen = ("test_concept", "test_both", "validation")
    split_words: Mapping[str, str] = {
        "test_set": "a trained concept drawn by a set that training left out",
        "test_concept": "a concept that training never saw",
        "test_both": "a concept and a style that training never saw",
        "validation": "a concept that training never saw",
    }
    templates = ("{}", "a picture of {}", "an icon of {}", "a drawing of {}", "{} icon")
    can_build = True
    sources = "one package of all icon sets, 104 MB"

    def style_family(self, style: str) -> str:
        """See `DataSet.style_family`."""
        return family_of(style)

    def resolve(self, config: DataConfig) -> str:
        """See `DataSet.resolve`; the set has one config, which has no name."""
        if config.config != "auto":
            raise ConfigError(
                f"data.config: the icon set has no config {config.config!r}; leave it at auto"
            )
        return config.config

    def is_ready(self, config: DataConfig) -> bool:
        """True if it is built; looks only at folders."""
        self.resolve(config)
        return is_whole(data_directory(config.dir) / self.name / VERSION)

    def missing(self, config: DataConfig) -> str:
        """See `DataSet.missing`."""
        folder = data_directory(config.dir)
        return (
            f"the data set {self.name}/{VERSION} is not built in {folder / self.name}; "
            "`make data ARGS=icons` fetches what it is built from, 104 MB, and training or "
            "evaluating builds it"
        )

    def build(self, config: DataConfig, *, progress: Reported = True) -> None:
        """See `DataSet.build`; takes minutes."""
        package = tarball(data_directory(config.dir))
        if not package.is_file():
            raise ConfigError(
                f"the icon set is built from {package.name}, which is not in {package.parent}; "
                "fetch it with `make data ARGS=icons` (python -m limoe_core.data.fetch icons), "
                "104 MB"
            )
        builder = self._builder(config)
        builder.progress = progress
        build_once(builder)

    def fetch(self, data_dir: Path, *, progress: bool = True) -> list[Path]:
        """Gets the package of all icon sets; see `DataSet.fetch`."""
        from limoe_core.data.icons.fetch import fetch_package

        return fetch_package(data_dir)

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """See `DataSet.load`; pictures are 72 pixels large, whatever `side` says."""
        from limoe_core.data.icons.reading import read_split

        builder = self._builder(config)
        if split not in builder.info.splits:
            raise ConfigError(f"no split {split!r}; there are {', '.join(builder.info.splits)}")
        return read_split(builder, split, progress=progress)

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Categories of icons, tested on concepts that training never saw."""
        train = Categories(self.load(config, "train", progress=progress))
        test = Categories(self.load(config, "test_concept", progress=progress))
        labels = test.labels(np.arange(len(test)))
        return Probed(train, test.pairs, labels, len(test.names), test.names)

    def _builder(self, config: DataConfig) -> Icons:
        from limoe_core.data.icons.builder import Icons

        self.resolve(config)
        return Icons(data_dir=data_directory(config.dir), file_format="array_record")


ICONS = IconsSet()
