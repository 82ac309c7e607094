"""What is said when a run starts: its data, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from limoe_core.config import Config
from limoe_core.data.captions import CaptionCounts
from limoe_core.data.identity import directory, short
from limoe_core.data.pairs import PairSet

#: Share of captions that may become equal by cutting before it is a warning.
_FEW = 0.02
_NAMED = 5


def summary(
    name: str, config: Config, splits: Mapping[str, PairSet], captions: CaptionCounts
) -> list[str]:
    """Sentences about the data that a run trains on; warnings last.

    Args:
      splits: `train` and `validation`.
      captions: of `train`.
    """
    train, validation = splits["train"], splits["validation"]
    told = [
        f"{name} trains on {train.name} in {directory(config.data)}: {_pictures(train)} of "
        f"{_count(len(train.shown), 'concept')} (content {short(train.digest)}), and "
        f"{_pictures(validation)} of {validation.split} to look at "
        f"(content {short(validation.digest)})",
        f"{_looked_at(train, captions)} are {captions.different:,} different ones; "
        f"{_are(captions.empty)} empty, and {_are(captions.cut)} longer than "
        f"{captions.limit} tokens and cut",
    ]
    if captions.merged > _FEW * captions.different:
        told.append(
            f"warning: cutting makes {captions.merged:,} of {captions.different:,} different "
            f"captions equal to another, so the model cannot tell them apart; the longest has "
            f"{captions.longest:,} tokens: set --model.text-length to more than {captions.limit}"
        )
    told += [_damaged(pairs) for pairs in splits.values() if pairs.damaged]
    return told


def _looked_at(train: PairSet, captions: CaptionCounts) -> str:
    if captions.concepts == len(train.shown):
        return f"its {captions.captions:,} captions"
    return f"of its captions {captions.captions:,}, spread evenly, were looked at: they"


def _damaged(pairs: PairSet) -> str:
    named = ", ".join(map(str, list(pairs.damaged)[:_NAMED]))
    more = ", …" if len(pairs.damaged) > _NAMED else ""
    why = next(iter(pairs.damaged.values()))
    return (
        f"warning: records of {pairs.split} that are left out, as their picture cannot be read: "
        f"{len(pairs.damaged):,} ({named}{more}). Of the first: {why}"
    )


def _pictures(pairs: PairSet) -> str:
    return _count(len(pairs), "picture")


def _count(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"
