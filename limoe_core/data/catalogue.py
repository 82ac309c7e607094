"""Data sets prepared by TFDS: any, and those that models are commonly compared on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.dataset import DataSet, Probed, needs_labels
from limoe_core.data.pairs import SIDE, PairSet
from limoe_core.data.prepared import (
    how_to_prepare,
    load_prepared,
    open_prepared,
    prepared_builder,
)
from limoe_core.data.prepared_split import PreparedSplit

Part = Literal["zero_shot", "linear_probe", "retrieval"]


@dataclass(frozen=True)
class PreparedSet(DataSet):
    """A set of pictures with captions or labels that TFDS has prepared in ArrayRecord."""

    name: str
    test_splits: tuple[str, ...] = ("test",)
    """Possible names of its test split; the first that exists is used."""
    parts: tuple[Part, ...] = ()
    """Tasks that the set's name stands for: a set with labels is classified, one with captions is
    searched. Empty for a set that models are not commonly compared on."""
    templates: tuple[str, ...] = DataSet.templates
    by_hand: str = ""
    """Files to fetch by hand, as the end of a sentence; "{downloads}" is the folder."""

    @property
    def default_tasks(self) -> tuple[str, ...]:
        """The set itself, if it can be asked by name; see `DataSet.default_tasks`."""
        return (self.name,) if self.parts else tuple(self.tasks)

    def is_ready(self, config: DataConfig) -> bool:
        """See `DataSet.is_ready`."""
        try:
            prepared_builder(config)
        except ConfigError:
            return False
        return True

    def resolve(self, config: DataConfig) -> str:
        """See `DataSet.resolve`; `auto` where it has no configs, or is not on this machine."""
        if config.config != "auto" or not self.is_ready(config):
            return config.config
        chosen = prepared_builder(config).builder_config
        return chosen.name if chosen is not None else config.config

    def missing(self, config: DataConfig) -> str:
        """See `DataSet.missing`."""
        return how_to_prepare(config, self.by_hand)

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        """See `DataSet.load`."""
        return load_prepared(config, split, side=side, progress=progress, by_hand=self.by_hand)

    def open(self, config: DataConfig, *splits: str, side: int = SIDE) -> PreparedSplit:
        """A split to be read piece by piece; see `open_prepared`."""
        return open_prepared(config, *splits, side=side, by_hand=self.by_hand)

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        """Its labels, tested on its test split; see `DataSet.probed`."""
        train = self.open(config, "train", side=side)
        if train.caption:
            raise ConfigError(needs_labels(self.name))
        test = self.load(config, "test", side=side, progress=progress)
        return Probed(train, test, test.concept, len(test.concepts))


_CLASSIFY: tuple[Part, ...] = ("zero_shot", "linear_probe")

#: The sets that `limoe_core.evaluate --tasks` knows by name.
KNOWN = (
    PreparedSet(
        "imagenet2012",
        test_splits=("validation",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}.",
            "a photo of the {} up close.",
            "a {} in its usual surroundings.",
            "part of a {} in a photo.",
            "a small picture of a {}.",
            "a drawing of a {}.",
        ),
        by_hand="ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org must lie "
        "in {downloads} before",
    ),
    PreparedSet(
        "cifar100",
        test_splits=("test",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}.",
            "a tiny, blurry photo of a {}.",
            "a picture of the {} in few pixels.",
            "a thumbnail that shows a {}.",
        ),
    ),
    PreparedSet(
        "oxford_iiit_pet",
        test_splits=("test",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}, a kind of pet.",
            "a {}, a breed of cat or dog.",
            "my pet {} at home.",
            "a portrait of a {}.",
        ),
    ),
    PreparedSet("coco_captions", test_splits=("val", "validation"), parts=("retrieval",)),
)
