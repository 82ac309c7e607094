"""Your own pairs as a data set object."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.building import build_once, is_whole
from limoe_core.data.class_names import readable_names
from limoe_core.data.dataset import ClassSet, DataSet, Probed, Reported, needs_labels
from limoe_core.data.importing.files import listing_digest
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Place
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.version import VERSION
from limoe_core.data.labelled import Concepts
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import SIDE, PairSet
from limoe_core.data.prepared import prepared_builder

#: A split of more pictures is not held in memory, as the dashboard would.
_FEW = 5_000
_UNSEEN = ("test", "validation")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class ImportedSet(DataSet):
    """Pairs from a folder or file of the user's, imported once into the data directory.

    Its config is the name of the folder and a digest of its listing, so a folder that changes
    becomes another config. The settings' `path` says where to import from; it is not needed once
    that is done.
    """

    name = "imported"

    def __init__(self, config: DataConfig) -> None:
        self.can_build = config.path is not None
        report = self._report(config)
        splits = _UNSEEN if report is None else tuple(report.splits)
        counts = {} if report is None else report.splits
        asked = next(split for split in (*_UNSEEN, "train") if split in (*splits, "train"))
        self.tasks: Mapping[str, tuple[ClassSet, ...]] = {asked: ("all",)}
        self.unseen = tuple(
            split for split in _UNSEEN if split in splits and counts.get(split, 0) <= _FEW
        )
        if report is not None and report.languages:
            self.languages = tuple(report.languages)

    def resolve(self, config: DataConfig) -> str:
        """The config as it is named, if it is there, else the one that the source makes now."""
        named = config.config != "auto"
        if config.path is None or (named and (self.is_ready(config) or not _is_there(config))):
            return config.config
        place = _place(config)
        name = re.sub(r"[^A-Za-z0-9]+", "-", place.path.stem).strip("-")[:60] or "pairs"
        options = [f"{key}={value}" for key, value in _options(config).items()]
        return f"{name}-{listing_digest(place.root, place.path, VERSION, *options)[:10]}"

    def label(self, config: DataConfig) -> str:
        """See `DataSet.label`."""
        return config.config

    def is_ready(self, config: DataConfig) -> bool:
        """True if it is imported; looks only at folders."""
        return _NAME.fullmatch(config.config) is not None and is_whole(_folder(config) / VERSION)

    def missing(self, config: DataConfig) -> str:
        """See `DataSet.missing`."""
        source = "" if config.path is None else f", nor is {config.path}, which they came from"
        return (
            f"the imported pairs {config.config} are not in {_folder(config).parent}{source}; say "
            "with --data.path where the pictures are now, or with --data.dir where the imported "
            "ones are"
        )

    def build(self, config: DataConfig, *, progress: Reported = True) -> None:
        """Imports it; see `DataSet.build`. An import that was killed starts anew."""
        import tensorflow_datasets as tfds

        from limoe_core.data.importing.builder import Imported

        if not _is_there(config):
            raise ConfigError(self.missing(config))
        place = _place(config)
        report = Report(
            source=str(place.path),
            kinds=[],
            options=_options(config),
            listing=config.config,
        )
        sources = recognise(place)
        report.kinds = [source.kind for source in sources]
        builder = Imported(
            config=tfds.core.BuilderConfig(name=config.config, version=VERSION),
            data_dir=data_directory(config.dir),
            sources=sources,
            report=report,
            refuse=config.damaged == "refuse",
            progress=progress,
        )
        build_once(builder)

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """See `DataSet.load`."""
        from limoe_core.data.importing.reading import read_split

        builder, report = self._opened(config)
        damaged = report.damaged_pictures.first + report.damaged_texts.first
        if damaged and config.damaged == "refuse":
            raise ConfigError(
                f"{damaged[0]} ({report.damaged_pictures.count + report.damaged_texts.count} such "
                f"in all, in {report.source}); mend it and import it again, or have such pairs "
                "left out with --data.damaged skip"
            )
        names: list[str] = []
        if report.classes:
            folder, chosen = _folder(config), config.class_names
            names = readable_names(report.classes, config.config, folder, chosen)
        return read_split(builder, report, split, names, side=side)

    def notes(self, config: DataConfig) -> list[str]:
        """See `DataSet.notes`."""
        report = self._report(config)
        return [] if report is None else list(report.warnings())

    def report(self, config: DataConfig) -> Report:
        """What the import found.

        Raises:
          ConfigError: it is not imported.
        """
        return self._opened(config)[1]

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Its classes, tested on its test split; see `DataSet.probed`."""
        report = self.report(config)
        if not report.labelled:
            raise ConfigError(needs_labels(config.config))
        train = Concepts(self.load(config, "train", side=side))
        test = self.load(config, next(iter(self.tasks)), side=side)
        return Probed(train, test, np.asarray(test.concept), len(test.concepts))

    def _report(self, config: DataConfig) -> Report | None:
        return Report.read(_folder(config) / VERSION) if self.is_ready(config) else None

    def _opened(self, config: DataConfig) -> tuple[Any, Report]:
        report = self._report(config)
        if report is None:
            raise ConfigError(self.missing(config))
        place = DataConfig(name=self.name, config=config.config, dir=config.dir)
        return prepared_builder(place), report


def _place(config: DataConfig) -> Place:
    assert config.path is not None
    return place_of(config.path, config.image_column, config.text_column)


def _is_there(config: DataConfig) -> bool:
    return config.path is not None and os.path.exists(os.path.expanduser(config.path))


def _folder(config: DataConfig) -> Path:
    return data_directory(config.dir) / ImportedSet.name / config.config


def _options(config: DataConfig) -> dict[str, str | None]:
    return {"image_column": config.image_column, "text_column": config.text_column}
