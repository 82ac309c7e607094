"""Splits of the icon set: by stable hashes of concepts and of families of sets, never by order.

| split | concepts | sets |
|---|---|---|
| `train` | known | known |
| `validation` | about 2 %, unseen in training | known |
| `test_concept` | about 4 %, unseen in training | known |
| `test_set` | known | withheld as a whole: styles that training never sees |
| `test_both` | those of `test_concept` | withheld |
"""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "validation", "test_concept", "test_set", "test_both"]
#: In this order, copies of one drawing stay in the first split that has them.
SPLITS: tuple[Split, ...] = ("train", "validation", "test_concept", "test_set", "test_both")

_VALIDATION = 0.02
_TEST_CONCEPT = 0.04
_TEST_SET = 0.08


def uniform(key: str, salt: str) -> float:
    """A number in [0, 1) that depends only on the key and the question."""
    digest = hashlib.blake2b(f"icons {salt}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def is_withheld(family: str) -> bool:
    """True if training sees no set of this family; see `Collection.family`."""
    return uniform(family, "set") < _TEST_SET


def split_of(concept: str, family: str) -> Split | None:
    """Split of a drawing; None for those of validation's concepts in withheld sets.

    They would be another test of both, but training is steered by what it knows of these concepts.
    """
    place, withheld = uniform(concept, "concept"), is_withheld(family)
    if place < _VALIDATION:
        return None if withheld else "validation"
    if place < _VALIDATION + _TEST_CONCEPT:
        return "test_both" if withheld else "test_concept"
    return "test_set" if withheld else "train"
