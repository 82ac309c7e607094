"""From a forward pass to a routing trace."""

from __future__ import annotations

import numpy as np

from limoe_core.config import ModelConfig
from limoe_core.model.tracing import patch_boxes


def test_patches_are_counted_row_by_row() -> None:
    boxes = patch_boxes(ModelConfig(image_size=32, patch_size=8))
    assert boxes.shape == (16, 4)
    assert boxes.dtype == np.int32
    assert boxes[0].tolist() == [0, 0, 8, 8]
    assert boxes[1].tolist() == [8, 0, 16, 8]
    assert boxes[4].tolist() == [0, 8, 8, 16]
    covered = np.zeros((32, 32), int)
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()
