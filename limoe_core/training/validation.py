"""The quick zero-shot check that a run makes of itself while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.evaluation.scoring import zero_shot

#: Most pictures that are asked, and how many are in memory at a time.
_MOST, _AT_ONCE = 5000, 1024

if TYPE_CHECKING:
    from limoe_core.data.source import PairSet
    from limoe_core.inference import LoadedModel


def validate(model: LoadedModel, pairs: PairSet) -> dict[str, Any]:
    """Zero-shot accuracy on the validation pictures, in the first language (English).

    Emoji's are of concepts unseen in training. `top1` and `top5` choose among the names of the
    validation concepts, `top1_all` and `top5_all` among those of the whole data set. Of a large
    split, 5,000 pictures spread evenly over it are asked.
    """
    import jax.numpy as jnp

    from limoe_core.data.augment import plain

    size = model.config.model.image_size
    table = pairs.concepts
    language = next(iter(table.names))
    names = np.asarray(table.names[language])
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _MOST)).round().astype(int))
    concept = pairs.concept[chosen]
    pictures = np.concatenate(
        [
            model.encode_pixels(
                np.asarray(plain(jnp.asarray(pairs.pictures.batch(chosen[i : i + _AT_ONCE])), size))
            )
            for i in range(0, len(chosen), _AT_ONCE)
        ]
    )
    texts = model.encode_texts([str(name) for name in names])
    found: dict[str, Any] = {"split": pairs.split, "language": language, "n": len(chosen)}
    for suffix, classes in (("", np.unique(concept)), ("_all", np.arange(len(names)))):
        ranks = zero_shot(pictures, concept, texts[classes], classes, names[classes]).ranks
        found[f"ways{suffix}"] = len(classes)
        found[f"top1{suffix}"] = float(np.mean(ranks < 1))
        found[f"top5{suffix}"] = float(np.mean(ranks < 5))
    return found
