"""Maps by UMAP kept on disk: a fit takes seconds to minutes, and gives arrays alone."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float

from analysis.maps import UmapMap, checked_vectors, embedding_map
from limoe_core.arrays import read_arrays
from limoe_core.files import replacing


def cached_embedding_map(
    vectors: Float[np.ndarray, "n d"],
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    neighbours: int = 15,
    min_dist: float = 0.1,
    progress: Callable[[int, int], None] | None = None,
) -> UmapMap:
    """`embedding_map` by UMAP, its positions kept in `folder`.

    The file's name is a digest of the vectors, the settings and UMAP's version, so no other map is
    ever taken for this one. A damaged file is made anew. Where the folder takes no more, the map is
    returned all the same, with a warning.

    Raises:
      AnalysisError: as `embedding_map`.
    """
    vectors = checked_vectors(vectors)
    settings = f"{vectors.shape} {seed} {neighbours} {min_dist!r} {version('umap-learn')}"
    digest = hashlib.sha256(settings.encode())
    digest.update(np.ascontiguousarray(vectors).tobytes())
    path = Path(folder) / f"umap-{digest.hexdigest()[:32]}.npz"
    positions = _read(path, len(vectors))
    if positions is not None:
        return UmapMap(vectors, positions, neighbours)
    fitted = embedding_map(
        vectors, "umap", seed=seed, neighbours=neighbours, min_dist=min_dist, progress=progress
    )
    assert isinstance(fitted, UmapMap)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, positions=fitted.positions)
    except OSError as error:
        warnings.warn(f"{path} cannot be kept: {error.strerror}", stacklevel=2)
    return fitted


def _read(path: Path, count: int) -> Float[np.ndarray, "n 2"] | None:
    """The positions in the file; None if there is none, or it does not hold so many."""
    try:
        with path.open("rb") as file:
            positions = read_arrays(file)["positions"]
    except Exception:  # missing, or damaged in one of many ways: it is made anew
        return None
    good = positions.shape == (count, 2) and positions.dtype == np.float64
    return positions if good and np.isfinite(positions).all() else None
