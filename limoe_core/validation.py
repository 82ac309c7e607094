"""The quick zero-shot check that a run makes of itself while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.scoring import zero_shot

if TYPE_CHECKING:
    from limoe_core.data.source import PairSet
    from limoe_core.inference import LoadedModel


def validate(model: LoadedModel, pairs: PairSet) -> dict[str, Any]:
    """Zero-shot accuracy on the validation pictures, in the first language (English).

    Its concepts are unseen in training. `top1` and `top5` choose among the names of the validation
    concepts, `top1_all` and `top5_all` among those of the whole data set.
    """
    import jax.numpy as jnp

    from limoe_core.data.augment import plain

    size = model.config.model.image_size
    table = pairs.concepts
    language = next(iter(table.names))
    names = np.asarray(table.names[language])
    every = np.arange(len(pairs))
    pictures = model.encode_pixels(
        np.asarray(plain(jnp.asarray(pairs.pictures.batch(every)), size))
    )
    texts = model.encode_texts([str(name) for name in names])
    found: dict[str, Any] = {"split": pairs.split, "language": language, "n": len(pairs)}
    for suffix, classes in (("", np.unique(pairs.concept)), ("_all", np.arange(len(names)))):
        ranks = zero_shot(pictures, pairs.concept, texts[classes], classes, names[classes]).ranks
        found[f"ways{suffix}"] = len(classes)
        found[f"top1{suffix}"] = float(np.mean(ranks < 1))
        found[f"top5{suffix}"] = float(np.mean(ranks < 5))
    return found
