"""Pictures to classify and to search, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from analysis.characters import cleaned
from analysis.errors import AnalysisError
from analysis.frame import readable

if TYPE_CHECKING:
    from limoe_core.config import DataConfig
    from limoe_core.data.pairs import PairSet
    from limoe_core.runs import Run


#: Characters of what is said of a picture; what follows is cut.
_LONGEST = 2000
#: The split that probe pairs are of.
PROBE_SPLIT = "validation"


@dataclass(frozen=True, eq=False)
class PictureSet:
    """n pictures, and what is known of each."""

    name: str
    """Of the data set, or of the run whose probe pictures they are."""
    pictures: UInt8[np.ndarray, "n side side c"]
    known: pd.DataFrame
    """One row a picture: key (code points), name (in the data set's first language), category,
    style, split; "" where something is not known."""
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of all concepts of the data set by language, "" where a concept has none; empty where
    it is not at hand."""

    def names(self, languages: Sequence[str] = ()) -> pd.DataFrame:
        """Texts to choose from, none twice, with columns text and language.

        Args:
          languages: some of `texts`; by default the names of the pictures themselves.
        """
        found: dict[str, str] = {}
        for language in languages:
            for name in self.texts[language]:
                if name:
                    found.setdefault(name, language)
        if not languages:
            found = {name: "" for name in self.known["name"] if name}
        return pd.DataFrame({"text": list(found), "language": list(found.values())}, dtype=object)


def example_pictures(run: Run) -> PictureSet:
    """Pictures that a run brings along to try its model on, of splits that training never saw.

    Raises:
      AnalysisError: the run has none; `limoe_core.evaluate` stores some.
    """
    found = run.examples()
    if found is None:
        raise AnalysisError(f"{run.name} keeps no example pictures")
    pictures, known = found
    known = {
        column: [cleaned(value, _LONGEST) for value in values] for column, values in known.items()
    }
    return PictureSet(run.name, pictures, pd.DataFrame(known, dtype=object))


def probe_pictures(run: Run) -> PictureSet:
    """The pictures of a run's probe pairs, which every run brings along.

    Raises:
      AnalysisError: the run has no probes.
    """
    pictures, steps = run.probe_pictures(), run.probe_steps()
    if pictures is None or not steps:
        raise AnalysisError(f"{run.name} keeps no probe pictures")
    trace = readable(run.probe(steps[-1]))
    count = min(len(pictures), trace.num_pairs)

    def known(key: str) -> list[str]:
        values = trace.meta.get(key)
        return [""] * count if values is None else [str(value) for value in values[:count]]

    names = known("name") if "name" in trace.meta else [str(c) for c in trace.captions[:count]]
    return PictureSet(
        run.name,
        pictures[:count],
        pd.DataFrame(
            {
                "key": known("concept"),
                "name": names,
                "category": known("category"),
                "style": known("style"),
                "split": [PROBE_SPLIT] * count,
            },
            dtype=object,
        ),
    )


def data_pictures(
    config: DataConfig,
    splits: Sequence[str] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> PictureSet:
    """The pictures of some splits of a data set.

    Args:
      config: `run.config.data`.
      splits: by default those that training never sees, as the data set lists them.
      progress: called with (done, total) splits.

    Raises:
      limoe_core.config.ConfigError: the data set is not on this machine; it is not built here.
    """
    from limoe_core.data.registry import data_set
    from limoe_core.data.source import load_pairs

    splits = data_set(config).unseen if splits is None else splits
    sets = []
    for done, split in enumerate(splits):
        if progress is not None:
            progress(done, len(splits))
        sets.append(load_pairs(config, split, build=False, progress=False))
    return picture_set(sets)


def picture_set(sets: Sequence[PairSet]) -> PictureSet:
    """The pictures of several splits of one data set, in their order."""
    shown = [(pairs, pairs.concepts, int(c)) for pairs in sets for c in pairs.concept]
    known = {
        "key": [str(table.keys[c]) for _, table, c in shown],
        "name": [str(table.names[table.first_language][c]) for _, table, c in shown],
        "category": [str(category) for pairs in sets for category in pairs.category],
        "style": [str(style) for pairs in sets for style in pairs.style],
        "split": [pairs.split for pairs, _, _ in shown],
    }
    # Where every picture has captions of its own, each split has concepts of its own.
    tables = {tuple(pairs.concepts.keys.tolist()): pairs.concepts for pairs in sets}.values()
    # Where a set is of several, not all of them have names in every language.
    languages = dict.fromkeys(language for table in tables for language in table.names)
    return PictureSet(
        sets[0].name,
        np.concatenate([pairs.pictures.batch(np.arange(len(pairs))) for pairs in sets]),
        pd.DataFrame(known, dtype=object),
        {
            language: tuple(
                str(name)
                for table in tables
                for name in table.names.get(language, [""] * len(table.keys))
            )
            for language in languages
        },
    )
