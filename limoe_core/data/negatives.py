"""Which pairs of a batch are true of each other and so no negatives: see `losses.Labels`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int32, UInt64


def copy_groups(content: UInt64[np.ndarray, " n"]) -> Int32[np.ndarray, " n"] | None:
    """Numbers that exact copies have in common; None where no two pictures are the same.

    Args:
      content: the first eight bytes of a digest of each picture.
    """
    different, group = np.unique(content, return_inverse=True)
    return group.astype(np.int32) if len(different) < len(content) else None


def pair_labels(
    concept: Int32[np.ndarray, " b"],
    copy: Int32[np.ndarray, " b"],
    texts: Int32[np.ndarray, "b c L"],
) -> Int32[np.ndarray, "b k"]:
    """Labels of the pairs of a batch: one column of concepts, one of copies, and c of texts.

    Two columns of texts have the same number where they have the same tokens, whichever columns
    they are, so a text that is cut to the same as another is the same.

    Args:
      concept: that each picture shows.
      copy: number that copies of a picture have in common.
      texts: tokens of each picture's captions.
    """
    rows = np.ascontiguousarray(texts.reshape(-1, texts.shape[-1]))
    # As plain bytes, which are compared at once where numbers would be compared one by one.
    _, text = np.unique(rows.view(f"V{rows.itemsize * rows.shape[-1]}"), return_inverse=True)
    return np.column_stack([concept, copy, text.reshape(texts.shape[:2])]).astype(np.int32)
