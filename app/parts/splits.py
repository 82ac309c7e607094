"""What the splits of a data set are, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from analysis.pairs import held_out_split
from limoe_core.data.registry import data_set
from limoe_core.runs import Run


def words_of(run: Run) -> Mapping[str, str]:
    """What training knew of the splits of the run's data set, where the set tells; by split."""
    return data_set(run.config.data).split_words


def in_words(split: str, words: Mapping[str, str]) -> str:
    """What the split is; its name where that is all that is known.

    Args:
      words: `words_of` the run.
    """
    return words.get(split, f"split {split}")


def summary(splits: Sequence[str], words: Mapping[str, str]) -> str:
    """How many pictures are of what, as in "36 (a trained concept …), 12 (a concept …)".

    Args:
      words: `words_of` the run.
    """
    counts = Counter(in_words(split, words) for split in splits)
    return ", ".join(f"{count:,} ({what})" for what, count in counts.items())


def asked_of(run: Run) -> dict[str, str]:
    """Splits of the run's own data set that an evaluation asks, with what they are in words.

    Those of learned concepts come first.
    """
    words = words_of(run)
    return {split: in_words(split, words) for split in data_set(run.config.data).tasks}


def of_data_pairs(run: Run) -> str:
    """What `analysis.data_pairs` takes unless told otherwise, in words."""
    split = held_out_split(run.config.data)
    return ": ".join(dict.fromkeys((f"split {split}", in_words(split, words_of(run)))))


def of_probes(run: Run) -> str:
    """What the probe pairs are, in words."""
    return f"probe pairs: {in_words('validation', words_of(run))}"
