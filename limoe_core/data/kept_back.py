"""Drawings that a joint training leaves out, to see how it does with known things in new styles.

The test splits answer that too, but whoever chooses settings by them looks at the test. So a few
concepts are kept back in one family of styles that their set draws them in, as `test_style` of
emoji does it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:
    from limoe_core.data.dataset import DataSet
    from limoe_core.data.pairs import PairSet

#: Share of base concepts that are kept back in one family of styles.
_SHARE = 0.05


def kept_back(data_set: DataSet, pairs: PairSet) -> Bool[np.ndarray, " n"]:
    """Which pictures of a training split are kept back; depends on concepts and styles alone.

    A concept is kept back in no family if it, or a variant of it, has but one: it would be unknown
    then.
    """
    styles, style = np.unique(np.asarray(pairs.style), return_inverse=True)
    families = np.array([data_set.style_family(str(each)) for each in styles])[style]
    shown, concept = np.unique(pairs.concept, return_inverse=True)
    bases = np.array([data_set.base_concept(str(key)) for key in pairs.concepts.keys[shown]])
    found = np.zeros(len(pairs), bool)
    for base in np.unique(bases):
        if _uniform(base, "whether") >= _SHARE:
            continue
        members = np.flatnonzero(bases == base)
        drawn = [set(families[concept == member].tolist()) for member in members]
        if min(map(len, drawn)) > 1:
            every = sorted(set().union(*drawn))
            family = every[int(_uniform(base, "family") * len(every))]
            found |= np.isin(concept, members) & (families == family)
    return found


def _uniform(base: str, question: str) -> float:
    """A number in [0, 1) that depends only on the base concept and the question."""
    digest = hashlib.blake2b(f"kept back {question}:{base}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
