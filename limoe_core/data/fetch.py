"""Download of sources of further configs: `python -m limoe_core.data.fetch`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.location import data_directory
from limoe_core.data.npm import FetchError
from limoe_core.data.registry import data_set


@dataclass(frozen=True)
class Arguments:
    """Fetch more art styles; of the emoji set, seven from the npm registry, 25 MB in all."""

    name: str = DataConfig.name
    """The data set."""
    dir: str | None = None
    """TFDS data directory; default: the environment's TFDS_DATA_DIR, else ~/tensorflow_datasets."""


def main() -> int:
    """Run the command line; return the exit code."""
    import tyro

    arguments = tyro.cli(Arguments, prog="python -m limoe_core.data.fetch")
    try:
        folder = data_directory(arguments.dir)
        fetched = data_set(DataConfig(name=arguments.name)).fetch(folder)
    except (ConfigError, FetchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {folder} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    where = f" to {fetched[0].parent}" if fetched else ""
    print(f"{len(fetched)} packages fetched{where}; nothing else is missing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
