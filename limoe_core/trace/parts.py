"""What a trace says besides its tokens: of what routers it is, and of what pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Integer

IMAGE, TEXT = 0, 1
#: Modality code of tokens that are neither: of templates, markers, padding.
OTHER = 2
#: Names of the modality codes 0 and 1.
MODALITIES = ("image", "text")

#: Scoring rules by which the scores of all experts sum to 1.
DISTRIBUTIONS = ("softmax", "softmax of the chosen")
UNKNOWN = "unknown"


class TraceError(ValueError):
    """A trace that cannot be read, or whose parts do not fit together."""


@dataclass(frozen=True, eq=False)
class Routers:
    """The L routers of a model: what is so before any token comes. E is the most experts of one."""

    experts: Integer[np.ndarray, " L"]
    """How many experts each router chooses from."""
    names: tuple[str, ...]
    """What each router is called, such as "block 4" or "model.layers.3.mlp.gate"."""
    scoring: str = "softmax"
    """How scores come of logits; `docs/trace-format.md` lists the known rules."""
    scaling: float = 1.0
    """What weights are multiplied by in the end."""
    capacity_factor: float | None = None
    """An expert takes at most ⌈K · T · factor / E⌉ tokens; 0 if none is ever dropped, None if that
    is not known."""
    reachable: Bool[np.ndarray, "L kinds E"] | None = None
    """Experts that a token of each kind can choose by the model's design; None for all."""
    bias: Float[np.ndarray, "L E"] | None = None
    """Added to scores to choose, not to weigh."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.experts):
            raise TraceError(
                f"trace: {len(self.names)} names of {len(self.experts)} routers; each has one"
            )

    @property
    def drops(self) -> bool:
        """Whether a token may find no place."""
        return self.capacity_factor != 0


@dataclass(frozen=True, eq=False)
class Pictures:
    """P pictures, each with the grid of patches that the routers saw."""

    pair: Integer[np.ndarray, " P"]
    rows: Integer[np.ndarray, " P"]
    columns: Integer[np.ndarray, " P"]
    width: Integer[np.ndarray, " P"]
    """In pixels, as the model saw it."""
    height: Integer[np.ndarray, " P"]
    content: tuple[bytes, ...] = field(default=(), repr=False)
    """The pictures as the model saw them: PNG, JPEG or WebP files; () where they are not kept."""

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "width", "height"):
            found = getattr(self, name).shape
            if found != self.pair.shape:
                raise TraceError(
                    f"trace: pictures.{name} has shape {found}, not {self.pair.shape} as "
                    "pictures.pair"
                )
        if self.content and len(self.content) != len(self):
            raise TraceError(f"trace: {len(self.content)} files of {len(self)} pictures")

    def __len__(self) -> int:
        return len(self.pair)

    def boxes(
        self, picture: Integer[np.ndarray, " t"], position: Integer[np.ndarray, " t"]
    ) -> Integer[np.ndarray, "t 4"]:
        """Where patches lie, by the cells of their grids: x0, y0, x1, y1 in pixels."""
        rows, columns = self.rows[picture], self.columns[picture]
        row, column = np.divmod(position.astype(np.int64), columns)
        width, height = self.width[picture], self.height[picture]
        corners = [
            column * width // columns,
            row * height // rows,
            (column + 1) * width // columns,
            (row + 1) * height // rows,
        ]
        return np.stack(corners, axis=-1).astype(np.int32)

    def select(
        self, pairs: Integer[np.ndarray, " M"]
    ) -> tuple[Pictures, Integer[np.ndarray, " p"]]:
        """The pictures of some pairs, renumbered in their order, and which they were."""
        rows = [np.flatnonzero(self.pair == pair) for pair in pairs]
        which = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        owners = np.repeat(np.arange(len(pairs)), [len(each) for each in rows]).astype(np.int32)
        kept = tuple(self.content[i] for i in which) if self.content else ()
        some = Pictures(
            owners,
            self.rows[which],
            self.columns[which],
            self.width[which],
            self.height[which],
            kept,
        )
        return some, which
