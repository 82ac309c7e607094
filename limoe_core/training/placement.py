"""Batches of the input pipeline as arrays on the mesh."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int64

from limoe_core.config import Config
from limoe_core.devices.mesh import batch_spec
from limoe_core.training.step import Batch


class Placer:
    """Cuts batches into routing groups and puts each part on the device that works on it."""

    def __init__(self, config: Config, mesh: Mesh) -> None:
        """
        Raises:
          ConfigError: a batch cannot be shared out evenly.
        """
        groups = config.train.groups
        pictures = config.data.batch_size // groups
        spec = batch_spec(groups, pictures, mesh.size)
        self._sharding = NamedSharding(mesh, spec)
        # Windows have no axis of pictures: they lie with their groups, or everywhere.
        self._windows_sharding = NamedSharding(mesh, PartitionSpec(*spec[:1]))
        self._shape = (groups, pictures)
        self._grid = np.arange(config.data.batch_size).reshape(self._shape)
        here = self._sharding.addressable_devices_indices_map(self._shape).values()
        self.rows: Int64[np.ndarray, " r"] = np.unique(
            np.concatenate([self._grid[index].reshape(-1) for index in here if index])
        )
        """Rows of a batch whose pictures this process needs."""
        self._place_of_row = np.zeros(config.data.batch_size, np.int64)
        self._place_of_row[self.rows] = np.arange(len(self.rows))

    def __call__(self, batch: dict[str, np.ndarray]) -> Batch:
        """
        Args:
          batch: `image` uint8 (r, H, W, 4), the pictures of `rows`; `text` int (B, c, L),
            `labels` int (B, k) and `windows` int (groups, R, L), all.
        """
        images = batch["image"]
        texts = batch["text"].reshape(*self._shape, *batch["text"].shape[1:])
        labels = batch["labels"].reshape(*self._shape, -1)
        windows = batch["windows"]
        pictures = jax.make_array_from_callback(
            (*self._shape, *images.shape[1:]),
            self._sharding,
            lambda index: images[self._place_of_row[self._grid[(index or ())[:2]]]],
        )
        return Batch(
            pictures,
            jax.make_array_from_callback(texts.shape, self._sharding, lambda index: texts[index]),
            jax.make_array_from_callback(
                windows.shape, self._windows_sharding, lambda index: windows[index]
            ),
            jax.make_array_from_callback(labels.shape, self._sharding, lambda index: labels[index]),
        )
