"""What happens to a measure when an expert is changed for one kind of token, pair by pair.

Kept in the run by whoever has the model at hand, such as `limoe_core.recording`, for readers who
have it not. One file a kind of change: `<run>/causal/effects-<variant>.npz`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from limoe_core import confined
from limoe_core.arrays import read_arrays
from limoe_core.confined import ANYWHERE
from limoe_core.files import replacing
from limoe_core.runs.files import MOST_ARRAYS, as_damage, entries, opened

_NAME = re.compile(r"effects-([a-z-]{1,30})\.npz")


@dataclass(frozen=True, eq=False)
class Effects:
    """One kind of change, made to each of E experts of L routers for k kinds of tokens; N pairs."""

    question: Shaped[np.ndarray, ""]
    """() str: stands for the pairs, the model and the measure."""
    measure: Shaped[np.ndarray, ""]
    """() str: what is measured, in words."""
    unit: Shaped[np.ndarray, ""]
    chance: Float[np.ndarray, ""]
    """What guessing gives; NaN where that is not defined."""
    variant: Shaped[np.ndarray, ""]
    """() str: what is done to the expert, as `analysis.causal_specialisation` calls it."""
    layers: Integer[np.ndarray, " L"]
    """Numbers of the routers."""
    kinds: Shaped[np.ndarray, " k"]
    baseline: Float[np.ndarray, " N"]
    """The measure with nothing changed."""
    rise: Float[np.ndarray, "L E k N"]
    """How much more it is with the change; NaN where that is not measured yet."""
    tokens: Integer[np.ndarray, "L E k"]
    """Tokens of the kind that choose the expert; -1 for experts that a router has not."""

    @property
    def is_whole(self) -> bool:
        """Whether every expert that there is has been measured."""
        return not np.isnan(self.rise[self.tokens >= 0]).any()

    def save(self, folder: Path) -> None:
        """Write the file into a run's folder of causes, whole or not at all.

        Raises:
          RunError: the folder is a link that leads out of the run.
        """
        with as_damage(folder):
            confined.real(folder, folder.parent)
        folder.mkdir(exist_ok=True)
        with replacing(_path(folder, str(self.variant))) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **dataclasses.asdict(self))

    @classmethod
    def load(
        cls,
        folder: Path,
        variant: str,
        within: Path = ANYWHERE,
        experts: Mapping[int, int] | None = None,
    ) -> Effects:
        """Read what `save` wrote.

        Args:
          experts: how many each router of the run has, by its number, to be compared with.

        Raises:
          RunError: there is no such file, it is damaged, its parts do not fit together, or it is of
            another change or of other routers.
        """
        with opened(_path(folder, variant), MOST_ARRAYS, within) as file:
            stored = read_arrays(file)
            names = [each.name for each in dataclasses.fields(cls)]
            missing = [name for name in names if name not in stored]
            if missing:
                raise ValueError(f"{missing[0]} is missing")
            found = cls(**{name: stored[name] for name in names})
            _require_sense(found)
            if str(found.variant) != variant:
                raise ValueError(f"it is of the change {str(found.variant)!r}, not {variant!r}")
            if experts is not None:
                _require_routers(found, experts)
        return found


def variants(folder: Path, within: Path = ANYWHERE) -> list[str]:
    """The kinds of change that were measured, in alphabetical order.

    Raises:
      RunError: the folder may not be read, or has too many entries.
    """
    named = map(_NAME.fullmatch, entries(folder, within))
    return sorted(found[1].replace("-", " ") for found in named if found)


def _path(folder: Path, variant: str) -> Path:
    return folder / f"effects-{variant.replace(' ', '-')}.npz"


_KINDS = {
    **dict.fromkeys(("question", "measure", "unit", "variant"), ("U", 0)),
    "chance": ("f", 0),
    "layers": ("iu", 1),
    "kinds": ("U", 1),
    "baseline": ("f", 1),
    "rise": ("f", 4),
    "tokens": ("iu", 3),
}
_LONGEST = 1000


def _require_sense(found: Effects) -> None:
    for name, (kind, dimensions) in _KINDS.items():
        array = getattr(found, name)
        if array.dtype.kind not in kind or array.ndim != dimensions or array.dtype == np.uint64:
            raise ValueError(f"{name} is {array.dtype} with the shape {array.shape}")
        if kind == "U" and array.dtype.itemsize > 4 * _LONGEST:
            raise ValueError(f"{name} has texts of more than {_LONGEST:,} characters")
    shape = (*found.tokens.shape, len(found.baseline))
    if found.rise.shape != shape or not found.rise.size:
        raise ValueError(f"rise has the shape {found.rise.shape}, not {shape}")
    if found.tokens.shape[::2] != (len(found.layers), len(found.kinds)):
        raise ValueError(f"tokens has the shape {found.tokens.shape}")
    if not np.isfinite(found.baseline).all() or np.isinf(found.rise).any():
        raise ValueError("it holds values that are not finite")
    if np.any(np.diff(found.layers.astype(np.int64)) <= 0):
        raise ValueError("layers are not numbers of routers in rising order")


def _require_routers(found: Effects, experts: Mapping[int, int]) -> None:
    """Refuses effects of experts that the run's model has not, and those that lack some it has."""
    measured = found.tokens >= 0
    there: Bool[np.ndarray, "L E"] = np.asarray(measured.all(axis=2))
    if not np.array_equal(there, measured.any(axis=2)):
        raise ValueError("tokens has experts that are there for some kinds of tokens alone")
    for number, mine in zip(found.layers.tolist(), there, strict=True):
        if number not in experts:
            raise ValueError(f"it has effects of router {number}, which the run's model lacks")
        if np.flatnonzero(mine).tolist() != list(range(experts[number])):
            raise ValueError(
                f"it has effects of {mine.sum():,} experts of router {number}, where the run's "
                f"model has {experts[number]:,}"
            )
