"""TensorBoard event files beside metrics.jsonl, for those whose tools read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limoe_core.config import ConfigError


def check() -> None:
    """Checks that event files can be written here.

    Raises:
      ConfigError: the package for them is missing.
    """
    try:
        import tensorboardX as tensorboardX
    except ImportError as error:
        raise ConfigError(
            "train.tensorboard needs the package tensorboardX: pip install tensorboardX"
        ) from error


class EventWriter:
    """Writes the numbers of each line of metrics as scalars."""

    def __init__(self, folder: Path, *, after: int = -1) -> None:
        """
        Args:
          after: the step that training goes on from; events of later ones no longer count.

        Raises:
          ConfigError: see `check`.
        """
        check()
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=after + 1)

    def write(self, line: dict[str, Any]) -> None:
        """Add one line of metrics; lists become one scalar per entry."""
        step = line["step"]
        for name, value in _scalars("", line):
            if name != "step":
                self._writer.add_scalar(name, value, step)
        self._writer.flush()


def _scalars(prefix: str, value: Any) -> list[tuple[str, float]]:
    if isinstance(value, dict):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(index), inner) for index, inner in enumerate(value)]
    else:
        return [(prefix, float(value))] if isinstance(value, int | float) else []
    return [
        found for key, inner in items for found in _scalars(f"{prefix}/{key}".strip("/"), inner)
    ]
