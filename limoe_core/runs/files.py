"""Names of the files in a run directory, and how they are read without trust.

Only `limoe_core.runs` spells these names; everyone else asks a `Run`.

    <run>/config.json         settings, data set, seed, package versions
          tokenizer.model     text to ids for this model
          metrics.jsonl       one line a logged step
          evaluations.json    {task: {step: result}}
          predictions/        single answers of an evaluation (`limoe_core.runs.predictions`)
          steps/<n>/          parameters, optimizer, input position (`limoe_core.runs.checkpoints`)
          probes/<n>.npz      RoutingTrace of a fixed set of validation pairs at step n
          probes/pictures.npz the pictures of those pairs
          causal/             measurements of causal specialisation (`analysis.causal`)
          tensorboard/        event files, where they were asked for
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Version of the layout. Readers refuse a run written by a newer layout.
RUN_FORMAT = 1

CONFIG = "config.json"
TOKENIZER = "tokenizer.model"
METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.json"
PREDICTIONS = "predictions"
STEPS = "steps"
#: What a step holds; one that ships has its parameters alone.
PARAMS, OPTIMIZER, INPUT = "params", "opt_state", "input"
PROBES = "probes"
PICTURES = "pictures.npz"
CAUSAL = "causal"
EVENTS = "tensorboard"
#: Held by the process that trains the run.
TRAINING = ".training"
#: Held by a process while it changes the evaluations.
EVALUATING = ".evaluating"


class RunError(ValueError):
    """A run directory that cannot be used, said in words a user can act on."""


#: What readers of archives, models and JSON raise for a file that was cut, mixed up or flipped.
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, TypeError, KeyError, EOFError),
    # A RecursionError is a RuntimeError; a shape that is mixed up may ask for all memory.
    *(RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error),
)


@contextmanager
def as_damage(path: Path) -> Iterator[None]:
    """Turns what readers raise for a broken file into a `RunError`."""
    try:
        yield
    except RunError:
        raise
    except DAMAGE as error:
        raise RunError(f"{path} is damaged or incomplete: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
      RunError: the file is missing, cannot be read, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError as well
        raise RunError(f"{path} is damaged: it is not whole, valid JSON") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} should hold a JSON object, and holds a {type(values).__name__}")
    return values


def whole_steps(folder: Path) -> list[int]:
    """Training steps whose parameters lie whole in `folder`, in rising order; [] without a folder.

    Looks at names alone: `limoe_core.runs.checkpoints` renames a step into place when it is whole.
    """
    try:
        names = [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    steps = (int(name) for name in names if name.isascii() and name.isdigit())
    return sorted(n for n in steps if (folder / str(n) / PARAMS / "_METADATA").is_file())


def causal_file(folder: Path, digest: str) -> Path:
    """Where the measurement that `digest` stands for is kept, in a run or in a cache."""
    return folder / f"causal-{digest}.json"


def cut_measurements(folder: Path, step: int, *, unknown: bool) -> None:
    """Deletes measurements of causal specialisation at later steps than `step`.

    Args:
      unknown: whether those go as well that do not say their step, as of version 0.4 and before.
    """
    for file in folder.glob("causal-*.json"):
        try:
            made_at = read_json(file).get("step")
        except RunError:
            made_at = None
        if made_at > step if type(made_at) is int else unknown:
            file.unlink()
