"""Batches on their way to the devices."""

from __future__ import annotations

import jax
import numpy as np

from limoe_core.data.packing import pack_windows
from limoe_core.devices.mesh import MeshShape, make_mesh
from limoe_core.presets import preset
from limoe_core.training.placement import Placer


def test_small_batches_are_compiled_for_one_number_of_windows() -> None:
    config = preset("debug")
    placer = Placer(config, make_mesh(MeshShape(1, 1), jax.devices()[:1]))
    shape = (config.data.batch_size, config.data.captions_per_image, config.model.text_length)
    rng = np.random.default_rng(0)
    needed, given = set(), set()
    for _ in range(30):
        # Tokens of a caption, as its tokenizer gives them: six on average.
        real = np.arange(shape[-1]) < rng.poisson(6, (*shape[:2], 1)).clip(1, shape[-1])
        texts = np.where(real, 2, 0).astype(np.int32)
        pictures = np.zeros((shape[0], 40, 40, 4), np.uint8)
        needed.add(len(pack_windows(texts.reshape(-1, shape[-1]))))
        labels = np.zeros((shape[0], 2 + shape[1]), np.int32)
        given.add(placer({"image": pictures, "text": texts, "labels": labels}).windows.shape)
    assert len(needed) > 2
    assert len(given) == 1
