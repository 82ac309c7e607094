"""A data set that only tests know: coloured shapes, named in two languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.dataset import DataSet, Probed
from limoe_core.data.labelled import Categories
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import SIDE, ArrayPictures, ConceptTable, PairSet

COLOURS = {"red": "rot", "green": "grün", "blue": "blau"}
SHAPES = {"square": "Quadrat", "bar": "Balken", "stripe": "Streifen", "frame": "Rahmen"}
SPLITS = ("train", "validation", "new_shape", "new_hand")


class Shapes(DataSet):
    """Twelve concepts in two hands; it has to be built before it can be read."""

    name = "made_up_shapes"
    tasks = {"new_hand": ("all",), "new_shape": ("split", "all")}
    unseen = ("new_hand", "new_shape")
    templates = ("{}", "a {} on white")
    languages = ("en", "de")
    can_build = True
    sources = "brushes, 1 kB"

    def is_ready(self, config: DataConfig) -> bool:
        return self._place(config).exists()

    def missing(self, config: DataConfig) -> str:
        return f"no shapes in {self._place(config)}; training draws them"

    def build(self, config: DataConfig, *, progress: bool = True) -> None:
        self._place(config).parent.mkdir(parents=True, exist_ok=True)
        self._place(config).write_text(self.resolve(config))

    def resolve(self, config: DataConfig) -> str:
        return "plain" if config.config == "auto" else config.config

    def fetch(self, data_dir: Path, *, progress: bool = True) -> list[Path]:
        return [data_dir / "brushes"]

    def load(
        self, config: DataConfig, split: str, *, side: int = SIDE, progress: bool = True
    ) -> PairSet:
        if split not in SPLITS:
            raise ConfigError(f"no split {split!r}; there are {', '.join(SPLITS)}")
        table = concepts()
        new = table.category == "frame"
        shown = np.flatnonzero(new if split == "new_shape" else ~new).astype(np.int32)
        hand = "ink" if split == "new_hand" else "chalk"
        return PairSet(
            name=f"{self.name}/{self._place(config).read_text()}:1",
            split=split,
            pictures=ArrayPictures(np.stack([draw(int(c), hand) for c in shown])),
            concept=shown,
            style=np.full(len(shown), hand),
            category=table.category[shown],
            concepts=table,
        )

    def probed(self, config: DataConfig, *, side: int = SIDE, progress: bool = True) -> Probed:
        train = Categories(self.load(config, "train"))
        test = Categories(self.load(config, "new_hand"))
        labels = test.labels(np.arange(len(test)))
        return Probed(train, test.pairs, labels, len(test.names), test.names)

    def _place(self, config: DataConfig) -> Path:
        return data_directory(config.dir) / self.name / "drawn"


def concepts() -> ConceptTable:
    both = sorted((colour, shape) for colour in COLOURS for shape in SHAPES)
    return ConceptTable(
        keys=np.array([f"{colour}-{shape}" for colour, shape in both]),
        names={
            "en": np.array([f"{colour} {shape}" for colour, shape in both]),
            "de": np.array([f"{COLOURS[colour]} {SHAPES[shape]}" for colour, shape in both]),
        },
        aliases=[(f"{shape} in {colour}",) for colour, shape in both],
        category=np.array([shape for _, shape in both]),
    )


def draw(concept: int, hand: str) -> np.ndarray:
    """(72, 72, 4) uint8: one stroke of colour on nothing, thinner in ink."""
    colour, shape = str(concepts().keys[concept]).split("-")
    edge = 20 if hand == "ink" else 12
    rows, columns = {
        "square": (slice(edge, -edge), slice(edge, -edge)),
        "bar": (slice(30, 42), slice(edge, -edge)),
        "stripe": (slice(edge, -edge), slice(30, 42)),
        "frame": (slice(edge, -edge), slice(edge, -edge)),
    }[shape]
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[rows, columns, list(COLOURS).index(colour)] = 255
    picture[rows, columns, 3] = 255
    if shape == "frame":
        picture[28:44, 28:44] = 0
    return picture
