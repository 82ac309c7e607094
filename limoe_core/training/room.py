"""Room on the disk for the checkpoints of a run, looked for before it starts."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import jax

from limoe_core.config import Config, ConfigError
from limoe_core.model.functional import FunctionalModel
from limoe_core.training.optimizer import make_optimizer

#: Least share of their size in memory that checkpoints have taken on disk, compressed.
_COMPRESSED = 0.8


def check_room(
    path: Path,
    config: Config,
    functional: FunctionalModel,
    saved: int = 0,
    *,
    with_start: bool = False,
) -> None:
    """Checks that the checkpoints that a run will keep fit on the disk.

    Args:
      path: the run directory, whether it is there or not.
      saved: checkpoints that are there already.
      with_start: whether there is one of step 0.

    Raises:
      ConfigError: there is clearly too little room.
    """
    optimizer = make_optimizer(config.optimizer, config.train.steps, functional.roles)
    size = _bytes(functional.shapes) + _bytes(jax.eval_shape(optimizer.init, functional.shapes))
    count = max(most_kept(config, with_start=with_start) - saved, 0)
    place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < _COMPRESSED * size * count:
        raise ConfigError(
            f"{path} needs about {_readable(size * count)} for {count} checkpoints of "
            f"{_readable(size)} each, and {_readable(free)} are free; make room, or keep fewer "
            "with --train.keep-checkpoints and --train.keep-period"
        )


def most_kept(config: Config, *, with_start: bool = False) -> int:
    """Checkpoints on the disk at the end, and the one more that is there while it is written."""
    settings = config.train
    due = {*range(settings.checkpoint_every, settings.steps, settings.checkpoint_every)}
    due.add(settings.steps)
    due |= {0} if with_start else set()
    newest = sorted(due)[-settings.keep_checkpoints :] if settings.keep_checkpoints else due
    period = settings.keep_period
    kept = set(newest) | {step for step in due if period and step % period == 0}
    return min(len(kept) + 1, len(due))


def _bytes(tree: Any) -> int:
    leaves = jax.tree.leaves(tree)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


def _readable(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
