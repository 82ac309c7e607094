"""Probe traces: the routing of the same validation pairs again and again while a run trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from limoe_core.data.texts import read
from limoe_core.inference import LoadedModel
from limoe_core.trace import RoutingTrace

if TYPE_CHECKING:
    from limoe_core.data.source import PairSet


#: Pairs that those of a probe are chosen from, at most.
_CHOSEN_FROM = 20_000


def probe_steps(last: int, every: int) -> list[int]:
    """Steps that get a probe: dense early, when experts emerge, and at least each `every` steps.

    0, then steps a factor √2 apart from 10 on until they are `every` apart, then its multiples, and
    the last step.
    """
    steps = {0, last} | set(range(every, last, every))
    step, exponent = 10, 0
    while step < last and step * (2**0.5 - 1) < every:
        steps.add(step)
        exponent += 1
        step = round(10 * 2 ** (exponent / 2))
    return sorted(steps)


@dataclass(frozen=True)
class Probe:
    """The fixed pairs of a run's probe traces."""

    pixels: Float[np.ndarray, "n S S 3"]
    captions: list[str]
    meta: dict[str, list[str]]

    @classmethod
    def choose(cls, pairs: PairSet, count: int, size: int, seed: int) -> Probe:
        """Pairs of a split, spread evenly over its categories, then over the languages.

        Of a large split they are chosen from some, drawn at random.
        """
        import jax.numpy as jnp

        from limoe_core.data.augment import plain

        rng = np.random.default_rng((seed, 0x9E0BE))
        order = rng.permutation(len(pairs))[: max(count, _CHOSEN_FROM)]
        queues: dict[str, list[int]] = {}
        for place, category in zip(order.tolist(), read(pairs.category, order), strict=True):
            queues.setdefault(category, []).append(place)
        chosen: list[int] = []
        while len(chosen) < min(count, len(pairs)):
            for category in sorted(queues):
                if queues[category] and len(chosen) < count:
                    chosen.append(queues[category].pop())
        table = pairs.concepts
        concepts = [int(pairs.concept[i]) for i in chosen]
        known = [table.languages_of(concept) for concept in concepts]
        spoken = [languages[i % len(languages)] for i, languages in enumerate(known)]
        return cls(
            pixels=np.asarray(plain(jnp.asarray(pairs.pictures.batch(np.array(chosen))), size)),
            captions=[str(table.names[lang][c]) for lang, c in zip(spoken, concepts, strict=True)],
            meta={
                "concept": [str(table.keys[c]) for c in concepts],
                "name": [str(table.names[table.first_language][c]) for c in concepts],
                "category": [str(pairs.category[i]) for i in chosen],
                "style": [str(pairs.style[i]) for i in chosen],
                "language": spoken,
            },
        )

    @property
    def pictures(self) -> UInt8[np.ndarray, "n S S 3"]:
        """The pictures as the model sees them."""
        return np.round((self.pixels + 1) * 127.5).clip(0, 255).astype(np.uint8)

    def trace(self, model: LoadedModel) -> RoutingTrace:
        """The routing of the probe pairs, one group, at training capacity, without noise."""
        factor = model.config.model.capacity_factor
        trace = model.trace_pixels(
            self.pixels, self.captions, meta=self.meta, capacity_factor=factor
        )
        return trace.half()
