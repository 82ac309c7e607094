"""What a run was trained on, and whether the data at hand is the same.

A run keeps, in `info["data"]`, the name of its data set, the folder, and for the splits `train` and
`validation` the number of pictures and a digest of their content. Runs of version 0.4 and before
have the name and the number of training pictures alone, so theirs are compared by these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from limoe_core.config import DataConfig
from limoe_core.data.attribution import Attribution
from limoe_core.data.location import data_directory
from limoe_core.data.pairs import PairSet
from limoe_core.runs import Run

#: What a difference means for the splits that training does not see.
MAY_LEAK = "what is held out here may have been in its training"
#: Entries of a run's attributions that are read; it may come from anywhere.
_MOST_CREDITS = 500
#: A set with a config and a version, as TFDS and our own sets write them.
_WITH_CONFIG = re.compile(r"(?P<set>.+)/(?P<config>\w[\w.-]*)[/:][\w.-]+")


@dataclass(frozen=True)
class Recorded:
    """What is known of one split of a run's data; None where its version did not say."""

    name: str | None
    directory: str | None
    pictures: int | None
    digest: str | None

    @classmethod
    def of(cls, run: Run, split: str) -> Recorded:
        """What a run says, which may come from anywhere, about `train` or `validation`."""
        data = _table(run.info.get("data"))
        about = _table(_table(data.get("splits")).get(split))
        pictures = about.get("pictures", data.get("train_pictures") if split == "train" else None)
        return cls(
            _text(data.get("name")),
            _text(data.get("directory")),
            pictures if type(pictures) is int else None,
            _text(about.get("digest")),
        )

    @classmethod
    def here(cls, pairs: PairSet, config: DataConfig) -> Recorded:
        """What is known of pairs that were read."""
        return cls(pairs.name, directory(config), len(pairs), pairs.digest)

    def is_same(self, other: Recorded) -> bool:
        """By content where both know it, else by name and number."""
        if self.digest and other.digest:
            return self.digest == other.digest
        known = [(self.name, other.name), (self.pictures, other.pictures)]
        return all(mine == theirs for mine, theirs in known if None not in (mine, theirs))

    def __str__(self) -> str:
        count = f"{self.pictures:,} pictures" if self.pictures is not None else ""
        content = f"content {short(self.digest)}" if self.digest else ""
        about = ", ".join(filter(None, (count, content)))
        place = f" in {self.directory}" if self.directory else ""
        return f"{self.name or 'a data set'}{place}" + (f" ({about})" if about else "")


def recorded(config: DataConfig, splits: Mapping[str, PairSet]) -> dict[str, Any]:
    """What a run keeps of its data; `splits` has `train` and `validation`."""
    train = splits["train"]
    return {
        "name": train.name,
        "directory": directory(config),
        "train_pictures": len(train),
        "splits": {
            split: {"pictures": len(pairs), "digest": pairs.digest}
            for split, pairs in splits.items()
        },
        "attributions": [asdict(one) for one in train.attributions],
    }


def attributions_of(run: Run) -> list[Attribution]:
    """Authors and licences of what a run was trained on, as it says; none where it does not."""
    said = _table(run.info.get("data")).get("attributions")
    names = [field.name for field in fields(Attribution)]
    found = []
    for entry in said[:_MOST_CREDITS] if isinstance(said, list) else []:
        texts = {name: _text(_table(entry).get(name)) for name in names}
        if all(text is not None for text in texts.values()):
            found.append(Attribution(**{name: text or "" for name, text in texts.items()}))
    return found


def difference(run: Run, config: DataConfig, split: str, pairs: PairSet) -> str | None:
    """How data at hand differs from what a run was trained on, as a sentence; None if it does not.

    Args:
      config: where the pairs were read.
      split: `train` or `validation`.
      pairs: that split, as it is here.
    """
    trained, here = Recorded.of(run, split), Recorded.here(pairs, config)
    if trained.is_same(here):
        return None
    return f"{run.name} was trained on {trained}, and the split {split} here is of {here}"


def data_of(run: Run) -> DataConfig:
    """The data settings of a run, with `auto` as what it stood for when the run was trained."""
    config = run.config.data
    named = _WITH_CONFIG.fullmatch(Recorded.of(run, "train").name or "")
    if config.config != "auto" or named is None or named["set"] != config.name:
        return config
    return replace(config, config=named["config"])


def directory(config: DataConfig) -> str:
    """The folder that a data set is looked for in."""
    return str(data_directory(config.dir).absolute())


def short(digest: str) -> str:
    """The beginning of a digest, which is enough to tell two apart by eye."""
    return digest[:8]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None
