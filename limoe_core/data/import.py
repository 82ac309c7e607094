"""python -m limoe_core.data.import: imports your own pairs, and says what it found."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.importing.dataset import ImportedSet
from limoe_core.data.source import make_ready, resolved


@dataclass(frozen=True)
class Arguments:
    """Import pairs from a folder or file, for training with the same --data.path."""

    path: Annotated[str, tyro.conf.Positional]
    """A folder with metadata.csv, metadata.jsonl or captions.csv, pictures with texts of the same
    name, folders named by class, WebDataset tars, or Parquet files with pictures."""
    dir: str | None = None
    """TFDS data directory, in which imported/ is; default: the environment's TFDS_DATA_DIR, else
    ~/tensorflow_datasets."""
    image_column: str | None = None
    """Column with names of files or bytes of pictures, where it has no usual name."""
    text_column: str | None = None
    """Column with texts, where it has no usual name."""
    damaged: Literal["skip", "refuse"] = "skip"
    """Whether pictures and texts that cannot be read are left out and named, or end the import."""


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    arguments = tyro.cli(Arguments, args=argv, prog="python -m limoe_core.data.import")
    try:
        config = resolved(
            DataConfig(
                path=arguments.path,
                dir=arguments.dir,
                image_column=arguments.image_column,
                text_column=arguments.text_column,
                damaged=arguments.damaged,
            )
        )
        chosen = make_ready(config)
        if not isinstance(chosen, ImportedSet):
            print(f"{arguments.path} is prepared by TFDS already: train with {_options(arguments)}")
            return 0
        for sentence in chosen.report(config).sentences():
            print(sentence)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"imported as {config.name}/{config.config}; train with {_options(arguments)}")
    return 0


def _options(arguments: Arguments) -> str:
    """Those of a training with these pairs."""
    given = {f"--data.{name.replace('_', '-')}": each for name, each in vars(arguments).items()}
    if arguments.damaged == "skip":
        del given["--data.damaged"]
    return shlex.join(word for pair in given.items() if pair[1] is not None for word in pair)


if __name__ == "__main__":
    sys.exit(main())
