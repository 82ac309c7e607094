"""Single answers of an evaluation, kept in the run for whoever browses errors.

One file a task and step: `<run>/predictions/<task>-<step>.npz`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, Shaped

from limoe_core import confined
from limoe_core.arrays import read_arrays
from limoe_core.confined import ANYWHERE
from limoe_core.files import replacing
from limoe_core.runs.files import MOST_ARRAYS, PREDICTIONS, RunError, as_damage, is_there, opened


@dataclass(frozen=True, eq=False)
class Predictions:
    """Zero-shot answers for n pictures in L languages; C concepts, the k best answers each."""

    data: Shaped[np.ndarray, ""]
    """() str: name and version of the data set that the indices belong to."""
    split: Shaped[np.ndarray, ""]
    """() str: the split whose pictures were classified."""
    languages: Shaped[np.ndarray, " L"]
    """Language of the class names."""
    keys: Shaped[np.ndarray, " C"]
    """Code points of every concept of the data set."""
    names: Shaped[np.ndarray, " C"]
    """Their names in the first language."""
    picture: Integer[np.ndarray, " n"]
    """Index of the picture in its split."""
    concept: Integer[np.ndarray, " n"]
    """Index of its concept."""
    style: Shaped[np.ndarray, " n"]
    category: Shaped[np.ndarray, " n"]
    ranks: Integer[np.ndarray, "L n"]
    """Wrong classes before the best right one; 0 where the answer is right."""
    top: Integer[np.ndarray, "L n k"]
    """The concepts answered, best first."""
    similarity: Float[np.ndarray, "L n k"]
    """Their cosine similarities."""
    categories: Shaped[np.ndarray, " C"] = field(default_factory=lambda: np.zeros(0, np.str_))
    """Category of every concept, "" where it has none; empty in files of earlier versions."""
    stratum: Shaped[np.ndarray, " some"] = field(default_factory=lambda: np.zeros(0, np.str_))
    """(n,) str: kind of each picture's concept, see `DataSet.strata`; (0,) where there is none."""
    familiarity: Shaped[np.ndarray, " known"] = field(default_factory=lambda: np.zeros(0, np.str_))
    """(n,) str: how much of each picture's name training read, see
    `limoe_core.evaluation.familiarity`; (0,) where it is not known."""

    def save(self, run: str | os.PathLike[str], task: str, step: int) -> Path:
        """Write the file into the run, whole or not at all.

        Raises:
          RunError: the folder of answers is a link that leads out of the run.
        """
        path = predictions_path(run, task, step)
        with as_damage(path):
            confined.real(path.parent, Path(run))
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **dataclasses.asdict(self))
        return path

    @classmethod
    def load(cls, run: str | os.PathLike[str], task: str, step: int) -> Predictions:
        """Read what `save` wrote.

        Raises:
          RunError: if there is no such file, or it is damaged.
        """
        return read(predictions_path(run, task, step), task, step)


def read(path: Path, task: str, step: int, within: Path = ANYWHERE) -> Predictions:
    """The answers in `path`, which fit together: every index names something.

    Raises:
      RunError: if there is no such file, it is damaged, or its parts do not fit together.
    """
    if not is_there(path):
        raise RunError(
            f"{path.parent.parent} has no predictions of {task} at step {step}; "
            "python -m limoe_core.evaluate makes them"
        )
    with opened(path, MOST_ARRAYS, within) as file:
        stored = read_arrays(file)
        names = [each.name for each in dataclasses.fields(Predictions)]
        arrays = {name: stored[name] for name in names if name in stored}
        _require_kinds(arrays)
        found = Predictions(**arrays)
        _require_fit(found)
    return found


_TEXTS = (
    "data", "split", "languages", "keys", "names", "style", "category", "categories", "stratum",
    "familiarity",
)  # fmt: skip
#: Of each picture, or of none.
_OPTIONAL = ("stratum", "familiarity")
#: Dimensions of arrays that have not one.
_DIMENSIONS = {"data": 0, "split": 0, "ranks": 2, "top": 3, "similarity": 3}
_LONGEST_TEXT = 1000


def _require_kinds(arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        kind = "U" if name in _TEXTS else "f" if name == "similarity" else "iu"
        if array.dtype.kind not in kind or array.ndim != _DIMENSIONS.get(name, 1):
            raise ValueError(f"{name} is {array.dtype} with the shape {array.shape}")
        if kind == "U" and array.dtype.itemsize > 4 * _LONGEST_TEXT:
            raise ValueError(f"{name} has texts of more than {_LONGEST_TEXT:,} characters")
        if kind == "iu" and array.dtype == np.uint64:
            raise ValueError(f"{name} is {array.dtype}, which no index is")


def _require_fit(found: Predictions) -> None:
    languages, pictures, concepts = len(found.languages), len(found.picture), len(found.keys)
    k = found.top.shape[2]
    if not (languages and pictures and concepts and k):
        raise ValueError("it holds no answer at all")
    shapes = {
        "names": (concepts,),
        **dict.fromkeys(("concept", "style", "category"), (pictures,)),
        "ranks": (languages, pictures),
        **dict.fromkeys(("top", "similarity"), (languages, pictures, k)),
    }
    for name, shape in shapes.items():
        if getattr(found, name).shape != shape:
            raise ValueError(f"{name} has the shape {getattr(found, name).shape}, not {shape}")
    if len(found.categories) not in (0, concepts):
        raise ValueError(f"categories are {len(found.categories)}, of {concepts} concepts")
    for name in _OPTIONAL:
        if getattr(found, name).shape not in ((0,), (pictures,)):
            raise ValueError(
                f"{name} is given for {len(getattr(found, name))} of {pictures} pictures"
            )
    for name, most in {
        "concept": concepts,
        "top": concepts,
        "picture": 2**40,
        "ranks": 2**40,
    }.items():
        values = getattr(found, name)
        if values.min() < 0 or values.max() >= most:
            raise ValueError(f"{name} names something that is not there")
    if not np.all(np.abs(found.similarity) <= 1.01):
        raise ValueError("similarity holds values that are no cosines")


def predictions_path(run: str | os.PathLike[str], task: str, step: int) -> Path:
    """File of a task's answers at a step."""
    return Path(run) / PREDICTIONS / f"{task}-{int(step)}.npz"


def cut_predictions(run: Path, step: int) -> None:
    """Deletes the answers of all tasks at later steps than `step`."""
    for file in (run / PREDICTIONS).glob("*.npz"):
        number = file.stem.rpartition("-")[2]
        if number.isascii() and number.isdigit() and int(number) > step:
            file.unlink()
