"""How long step functions took to compile here, to say so while the next one does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from limoe_core import places
from limoe_core.config import Config
from limoe_core.files import from_json, write_json

_FILE = "compile-times.json"
_MOST = 200
"""Step functions that are remembered."""
_LARGEST = 1 << 20  # bytes


class CompileTimes:
    """Seconds that step functions took on this kind of device, in the user's cache.

    A guess for the reader and nothing else: where it cannot be read or written, there is none.
    """

    def __init__(self, config: Config, mesh: Mesh) -> None:
        shape = {
            "model": dataclasses.asdict(config.model),
            "optimizer": config.optimizer.name,
            "batch": [config.data.batch_size, config.data.captions_per_image],
            "cut": [config.train.groups, config.train.micro_batches, config.loss.contrastive_block],
            "mesh": list(mesh.devices.shape),
            "device": mesh.devices.flat[0].device_kind,
            "jax": jax.__version__,
        }
        self._shape = json.dumps(shape, sort_keys=True)

    def last(self, patches: int) -> float | None:
        """Seconds of the step function that shows so many patches; None if it is not known."""
        found = _read().get(self._key(patches))
        return float(found) if isinstance(found, int | float) else None

    @contextmanager
    def timed(self, patches: int, really: bool = True) -> Iterator[None]:
        """Remembers how long the block took, in which that function is called the first time."""
        start = time.perf_counter()
        yield
        folder = places.cache() if really else None
        if folder is None:
            return
        before = _read()
        before.pop(self._key(patches), None)
        kept = [*before.items(), (self._key(patches), round(time.perf_counter() - start, 1))]
        with suppress(OSError):
            write_json(folder / _FILE, dict(kept[-_MOST:]))

    def _key(self, patches: int) -> str:
        return hashlib.sha256(f"{self._shape} {patches}".encode()).hexdigest()[:16]


def _read() -> dict[str, Any]:
    folder = places.cache()
    file = Path() if folder is None else folder / _FILE
    try:
        if folder is None or file.stat().st_size > _LARGEST:
            return {}
        found = from_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
