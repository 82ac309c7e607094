"""Download of what data sets are built from: `python -m limoe_core.data.fetch`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.location import data_directory
from limoe_core.data.npm import FetchError
from limoe_core.data.registry import DATA_SETS


@dataclass(frozen=True)
class Arguments:
    """Fetch what data sets are built from, from the npm registry.

    emoji: seven further art styles, 25 MB. icons: all icon sets, 104 MB.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (DataConfig.name,)
    """The data sets."""
    dir: str | None = None
    """TFDS data directory; default: the environment's TFDS_DATA_DIR, else ~/tensorflow_datasets."""


def main() -> int:
    """Run the command line; return the exit code."""
    arguments = tyro.cli(Arguments, prog="python -m limoe_core.data.fetch")
    can_fetch = {name: each for name, each in DATA_SETS.items() if each.sources}
    for name in arguments.names:
        if name not in can_fetch:
            known = ", ".join(can_fetch)
            print(f"error: nothing can be fetched for {name!r}; there are {known}", file=sys.stderr)
            return 2
    try:
        folder = data_directory(arguments.dir)
        for name in arguments.names:
            print(f"{name}: {can_fetch[name].sources}", flush=True)
            fetched = can_fetch[name].fetch(folder)
            where = f" to {fetched[0].parent}" if fetched else ""
            print(f"{name}: {len(fetched)} packages fetched{where}; nothing else is missing")
    except (ConfigError, FetchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {folder} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
