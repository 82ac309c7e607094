"""Names of the files in a run directory, and how they are read without trust.

Only `limoe_core.runs` spells these names; everyone else asks a `Run`.

    <run>/config.json         settings, data set, seed, package versions
          tokenizer.model     text to ids for this model
          metrics.jsonl       one line a logged step
          progress.json       what training is doing (`limoe_core.runs.progress`)
          evaluations.json    {task: {step: result}}
          predictions/        single answers of an evaluation (`limoe_core.runs.predictions`)
          steps/<n>/          parameters, optimizer, input position (`limoe_core.runs.checkpoints`)
          probes/<n>.npz      RoutingTrace of a fixed set of validation pairs at step n
          probes/pictures.npz the pictures of those pairs
          examples.npz        pictures to try the model on (`limoe_core.runs.examples`)
          experts/<n>.npz     the experts of step n on many pairs (`limoe_core.runs.experts`)
          probes/<n>/         RoutingTraces of another model, in parts of some pairs each
          causal/             causal specialisation (`analysis.causal`), and `effects`
          tensorboard/        event files, where they were asked for
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from limoe_core import confined
from limoe_core.confined import ANYWHERE
from limoe_core.files import from_json

#: Version of the layout. Readers refuse a run written by a newer layout.
RUN_FORMAT = 2
#: Of runs with settings of training, which earlier versions read as well.
TRAINED_FORMAT = 1

CONFIG = "config.json"
TOKENIZER = "tokenizer.model"
METRICS = "metrics.jsonl"
PROGRESS = "progress.json"
EVALUATIONS = "evaluations.json"
PREDICTIONS = "predictions"
STEPS = "steps"
#: What a step holds; one that ships has its parameters alone.
PARAMS, OPTIMIZER, INPUT = "params", "opt_state", "input"
PROBES = "probes"
PICTURES = "pictures.npz"
EXAMPLES = "examples.npz"
EXPERTS = "experts"
CAUSAL = "causal"
EVENTS = "tensorboard"
#: Held by the process that records traces of another model in the run.
RECORDING = ".recording"
#: Held by the process that trains the run.
TRAINING = ".training"
#: Held by a process while it changes the evaluations.
EVALUATING = ".evaluating"


class RunError(ValueError):
    """A run directory that cannot be used, said in words a user can act on."""


#: What readers of archives, models and JSON raise for a file that was cut, mixed up or flipped.
DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, ArithmeticError),
    # A RecursionError is a RuntimeError; a shape that is mixed up may ask for all memory.
    *(RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error, SyntaxError),
)
_MIB = 2**20
#: Most bytes of each file that are read.
MOST_CONFIG, MOST_EVALUATIONS, MOST_TOKENIZER = 1 * _MIB, 4 * _MIB, 32 * _MIB
#: Of a compressed file of arrays; what they may inflate to is `limoe_core.arrays.MOST_BYTES`.
MOST_ARRAYS = 256 * _MIB


@contextmanager
def opened(path: Path, most: int, within: Path = ANYWHERE) -> Iterator[BinaryIO]:
    """Opens a regular file, and turns whatever its readers raise into a `RunError`.

    Args:
      most: bytes that it may have.
      within: the folder that it must lie in, links followed.

    Raises:
      RunError: it is not opened, cannot be read, or is damaged.
    """
    with as_damage(path), confined.opened(path, within=within, most=most) as file:
        yield file


def read_json(path: Path, most: int = MOST_EVALUATIONS, within: Path = ANYWHERE) -> dict[str, Any]:
    """The JSON object in `path`; see `opened`.

    Raises:
      RunError: the file is missing, cannot be read, or holds something else.
    """
    with opened(path, most, within) as file:
        text = file.read(most)
    try:
        values = from_json(text.decode())
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RunError(f"{path} is damaged: it is not whole, valid JSON") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {brief(error)}") from None
    if not isinstance(values, dict):
        raise RunError(f"{path} should hold a JSON object, and holds a {type(values).__name__}")
    return values


def is_there(path: Path) -> bool:
    """Whether there is anything at this place, or something that keeps the reader from knowing.

    What may not be read, or leads elsewhere, is there: whoever reads it says why not.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def entries(folder: Path, within: Path = ANYWHERE) -> list[str]:
    """Names of the entries of a folder; [] if there is none.

    Raises:
      RunError: it may not be read, is not within the boundary, or has too many.
    """
    try:
        return confined.names(folder, within=within)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(f"{folder} cannot be read: {why(error)}") from error
    except confined.RefusedError as error:
        raise RunError(str(error)) from None


def whole_steps(folder: Path, within: Path = ANYWHERE) -> list[int]:
    """Training steps whose parameters lie whole in `folder`, in rising order; [] without a folder.

    Looks at names alone: `limoe_core.runs.checkpoints` renames a step into place when it is whole.

    Raises:
      RunError: as `entries`.
    """
    steps = (int(name) for name in entries(folder, within) if is_step(name))
    return sorted(n for n in steps if (folder / str(n) / PARAMS / "_METADATA").is_file())


def stamp_of(place: Path) -> tuple[int, int]:
    """A value that changes when a file does, or any file below a folder; (0, 0) while it is away.

    A folder's own time tells only of entries that come and go, not of files that are overwritten.
    """
    try:
        state = place.stat()
        if not stat.S_ISDIR(state.st_mode):
            return (state.st_mtime_ns, state.st_size)
        files = confined.tree(place)
    except (OSError, confined.RefusedError):  # whoever reads it says so
        return (0, 0)
    told = repr([(name, each.st_mtime_ns, each.st_ino, each.st_size) for name, each in files])
    digest = hashlib.blake2b(told.encode(errors="surrogateescape"), digest_size=8).digest()
    return (int.from_bytes(digest), sum(each.st_size for _, each in files))


@contextmanager
def as_damage(path: Path) -> Iterator[None]:
    """Turns what readers raise for a broken file into a `RunError`."""
    try:
        yield
    except RunError:
        raise
    except confined.RefusedError as error:
        raise RunError(str(error)) from None
    except OSError as error:
        # By a library about what it read, or for a place in the file that is none.
        if error.errno in (None, errno.EINVAL):
            raise RunError(f"{path} is damaged or incomplete: {brief(error)}") from error
        raise RunError(f"{path} cannot be read: {why(error)}") from error
    except DAMAGE as error:
        raise RunError(f"{path} is damaged or incomplete: {brief(error)}") from error


def why(error: OSError) -> str:
    """What the operating system says, in words."""
    match error:
        case FileNotFoundError():
            return "it is not there; it may have been deleted or moved"
        case PermissionError():
            return "its owner does not let this user read it"
        case NotADirectoryError():
            return "it does not lie in a folder"
    return (error.strerror or type(error).__name__).lower()


def brief(error: Exception, longest: int = 200) -> str:
    """The first line of an error, which may quote a file, cut to a sentence's length."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return first if len(first) <= longest else f"{first[: longest - 1]}…"


def is_step(name: str) -> bool:
    """Whether an entry's name is the number of a training step."""
    return name.isascii() and name.isdigit() and len(name) <= 12 and str(int(name)) == name


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
