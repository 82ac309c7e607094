"""Splits of the emoji set: by a stable hash of the base concept, never by order.

| split | concepts | drawings |
|---|---|---|
| `validation` | about 5 %, unseen in training | all styles |
| `test_concept` | about 10 %, unseen in training | all styles |
| `test_style` | a tenth of the others | those of one family of styles that is held out |
| `train` | the others | all but those held out |

Variants of one base concept, such as a man and a woman surfing, go together, in both questions: see
`base_concept`. Nothing depends on which styles are installed, so a model trained on the config
`full` never trained on a drawing that the config `base` tests.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from limoe_core.data.emoji.relatives import base_concept

Split = Literal["train", "validation", "test_concept", "test_style"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test_concept", "test_style")

#: Styles derived from one another are near duplicates, so a family is held out as a whole.
FAMILY = {
    "openmoji": "openmoji",
    "twemoji": "twemoji",
    "noto": "noto",
    "noto-v1": "noto",
    "fluent-emoji": "fluent",
    "fluent-emoji-flat": "fluent",
    "emojione": "emojione",
    "emojione-v1": "emojione",
    "fxemoji": "fxemoji",
}

#: Families that can be held out; the others do not draw every concept.
HELD_OUT_FAMILIES = ("openmoji", "twemoji", "noto", "fluent")

_VALIDATION = 0.05
_TEST_CONCEPT = 0.10
_TEST_STYLE = 0.10


def uniform(key: str, salt: str) -> float:
    """A number in [0, 1) that depends only on the base concept and the question."""
    digest = hashlib.blake2b(f"{salt}:{base_concept(key)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def split_of(key: str, style: str) -> Split:
    """Split of the drawing of concept `key` in `style`."""
    place = uniform(key, "concept")
    if place < _VALIDATION:
        return "validation"
    if place < _VALIDATION + _TEST_CONCEPT:
        return "test_concept"
    return "test_style" if FAMILY[style] == held_out_family(key) else "train"


def held_out_family(key: str) -> str | None:
    """Family of styles in which training never sees the concept; None for most concepts."""
    if uniform(key, "style") >= _TEST_STYLE:
        return None
    return HELD_OUT_FAMILIES[int(uniform(key, "family") * len(HELD_OUT_FAMILIES))]
