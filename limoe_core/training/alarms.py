"""Signs that a run is going wrong: a loss that left the numbers, routers that collapsed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: A loss this many times as high as where it began, or as that of guessing, will not come back.
_DIVERGED = 3.0
#: An expert with more than this share of a modality has taken it over.
TAKEN_OVER = 0.95
#: An expert with less than this share of every modality is dead.
DEAD = 0.001
#: Logged lines in a row before either is said.
PATIENCE = 20


class Watch:
    """Looks at every logged line of a run."""

    def __init__(self, batch_size: int) -> None:
        self._guessing = math.log(batch_size)
        self._first: float | None = None
        self._streaks: dict[str, int] = {}

    def diverged(self, loss: float) -> bool:
        """Whether this loss, of a step after those before, is one to stop at."""
        if not math.isfinite(loss):
            return True
        if self._first is None:
            self._first = loss
        return loss > _DIVERGED * max(self._first, self._guessing)

    def collapsed(self, routers: Sequence[Mapping[str, Any]]) -> list[str]:
        """A sentence for each expert that has been wrong for long enough, once.

        Args:
          routers: as in a line of metrics: `layer`, and `share` by modality.
        """
        self._streaks = {sign: self._streaks.get(sign, 0) + 1 for sign in _signs(routers)}
        return [sentence for sentence, times in self._streaks.items() if times == PATIENCE]


def _signs(routers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for router in routers:
        where, share = f"block {router['layer']}", router["share"]
        modalities = {name: values for name, values in share.items() if sum(values) > 0}
        if not modalities:
            continue
        for name, values in modalities.items():
            most = max(range(len(values)), key=values.__getitem__)
            if values[most] > TAKEN_OVER and len(values) > 1:
                yield (
                    f"{where}: expert {most} takes over {TAKEN_OVER:.0%} of all {name} tokens, so "
                    f"its router has collapsed for {name}s; a larger --loss.global-entropy-{name} "
                    "or --loss.importance may help"
                )
        for expert, shares in enumerate(zip(*modalities.values(), strict=True)):
            if max(shares) < DEAD:
                yield (
                    f"{where}: expert {expert} gets under {DEAD:.1%} of the tokens of any "
                    "modality, so it is dead; a larger --loss.importance or --loss.load may help"
                )
