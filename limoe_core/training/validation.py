"""The quick zero-shot check that a run makes of itself while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.data.pairs import spread
from limoe_core.data.texts import read
from limoe_core.evaluation.scoring import zero_shot

#: Most pictures that are asked, and how many are in memory at a time.
_MOST, _AT_ONCE = 5000, 1024
#: Most names that are chosen from.
_MOST_NAMES = 20_000

if TYPE_CHECKING:
    from limoe_core.data.source import PairSet
    from limoe_core.inference import LoadedModel


def validate(model: LoadedModel, pairs: PairSet) -> dict[str, Any]:
    """Zero-shot accuracy on the validation pictures, in the first language (English).

    Emoji's are of concepts unseen in training. `top1` and `top5` choose among the names of the
    validation concepts, `top1_all` and `top5_all` among those of the whole data set. Of a large
    split, 5,000 pictures spread evenly over it are asked, and of many names 20,000 are chosen
    from, those of these pictures among them.
    """
    import jax.numpy as jnp

    from limoe_core.data.augment import plain

    size = model.config.model.image_size
    table = pairs.concepts
    language = next(iter(table.names))
    chosen = spread(len(pairs), _MOST)
    concept = pairs.concept[chosen]
    shown = np.unique(concept)
    every = np.union1d(shown, spread(len(table), _MOST_NAMES - len(shown)))
    if len(table) <= _MOST_NAMES:
        every = np.arange(len(table))
    names = np.array(read(table.names[language], every))
    pictures = np.concatenate(
        [
            model.encode_pixels(
                np.asarray(plain(jnp.asarray(pairs.pictures.batch(chosen[i : i + _AT_ONCE])), size))
            )
            for i in range(0, len(chosen), _AT_ONCE)
        ]
    )
    texts = model.encode_texts(names.tolist())
    found: dict[str, Any] = {"split": pairs.split, "language": language, "n": len(chosen)}
    for suffix, classes in (("", shown), ("_all", every)):
        own = np.searchsorted(every, classes)
        ranks = zero_shot(pictures, concept, texts[own], classes, names[own]).ranks
        found[f"ways{suffix}"] = len(classes)
        found[f"top1{suffix}"] = float(np.mean(ranks < 1))
        found[f"top5{suffix}"] = float(np.mean(ranks < 5))
    return found
