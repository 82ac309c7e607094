"""Single answers of an evaluation, kept in the run for whoever browses errors.

One file a task and step: `<run>/predictions/<task>-<step>.npz`.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, Shaped

from limoe_core.files import replacing
from limoe_core.runs.files import PREDICTIONS, RunError, as_damage


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

    def save(self, run: str | os.PathLike[str], task: str, step: int) -> Path:
        """Write the file into the run, whole or not at all."""
        path = predictions_path(run, task, step)
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
        path = predictions_path(run, task, step)
        if not path.is_file():
            raise RunError(
                f"{path.parent.parent} has no predictions of {task} at step {step}; "
                "python -m limoe_core.evaluate makes them"
            )
        with as_damage(path), np.load(path, allow_pickle=False) as file:
            names = [each.name for each in dataclasses.fields(cls)]
            return cls(**{name: file[name] for name in names if name in file.files})


def predictions_path(run: str | os.PathLike[str], task: str, step: int) -> Path:
    """File of a task's answers at a step."""
    return Path(run) / PREDICTIONS / f"{task}-{int(step)}.npz"


def cut_predictions(run: Path, step: int) -> None:
    """Deletes the answers of all tasks at later steps than `step`."""
    for file in (run / PREDICTIONS).glob("*.npz"):
        number = file.stem.rpartition("-")[2]
        if number.isascii() and number.isdigit() and int(number) > step:
            file.unlink()
