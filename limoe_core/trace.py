"""RoutingTrace: what every router decided about every token."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from limoe_core.arrays import read_arrays
from limoe_core.files import from_json, replacing

IMAGE, TEXT = 0, 1
#: Names of the modality codes 0 and 1.
MODALITIES = ("image", "text")

_FORMAT = 1
#: Longest side of a picture in pixels or patches, and of a text in tokens.
_LARGEST = 16_384
#: What shares may differ by that were kept in float16, or by thousands.
_ROUNDING = 0.02
#: Kinds of NumPy's types and number of dimensions of each array.
_KINDS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("layers", "pair", "position"), ("iu", 1)),
    "modality": ("u", 1),
    "box": ("i", 2),
    "expert": ("iu", 3),
    **dict.fromkeys(("probs", "gate", "hidden"), ("f", 3)),
    **dict.fromkeys(("image_embeddings", "text_embeddings"), ("f", 2)),
    "dropped": ("b", 3),
    **dict.fromkeys(("piece", "captions"), ("U", 1)),
}


class TraceError(ValueError):
    """A trace that cannot be read, or whose parts do not fit together."""


@dataclass(frozen=True, eq=False)
class RoutingTrace:
    """Every router's decision about every real token of N pairs; padding is not in it.

    T tokens over all pairs, L mixture-of-experts layers, E experts, K choices a token. A pair may
    lack its picture or its text; it then has no tokens of that modality.
    """

    layers: Integer[np.ndarray, " L"]
    """Block numbers of the MoE layers, counted from 1."""
    modality: UInt8[np.ndarray, " T"]
    """0 for an image token (a patch), 1 for a text token (a piece)."""
    pair: Integer[np.ndarray, " T"]
    """The pair that the token belongs to."""
    position: Integer[np.ndarray, " T"]
    """Patch index in row-major order, or place in the text."""
    piece: np.ndarray
    """(T,) str: the text piece, "" for a patch."""
    box: Integer[np.ndarray, "T 4"]
    """Patch as x0, y0, x1, y1 in pixels of the model's input; -1 for text."""
    probs: Float[np.ndarray, "L T E"]
    """The whole gate distribution p(e|x), without noise."""
    expert: Integer[np.ndarray, "L T K"]
    """Chosen experts, best first. Training noise, an intervention or loss-free balancing may choose
    others than those of the largest `probs`."""
    gate: Float[np.ndarray, "L T K"]
    """Gate value of each choice: its weight in the layer's output."""
    dropped: Bool[np.ndarray, "L T K"]
    """Whether the choice found no place in its expert's buffer."""
    captions: np.ndarray
    """(N,) str: the text of each pair, "" where there is none."""
    image_embeddings: Float[np.ndarray, "N d"]
    """Unit vectors; zeros where a pair has no picture."""
    text_embeddings: Float[np.ndarray, "N d"]
    """Unit vectors; zeros where a pair has no text."""
    image_size: int
    """Side of the model's input picture, in pixels."""
    grid: int
    """Patches along one side."""
    meta: dict[str, np.ndarray] = field(default_factory=dict)
    """What else is known of each pair, (N,) str: concept, category, language, style, …"""
    hidden: Float[np.ndarray, "L T c"] | None = None
    """The routers' inputs, where they were asked for."""

    def __post_init__(self) -> None:
        layers, tokens, experts = self.probs.shape
        shapes = {
            "layers": (layers,),
            "modality": (tokens,),
            "pair": (tokens,),
            "position": (tokens,),
            "piece": (tokens,),
            "box": (tokens, 4),
            "gate": self.expert.shape,
            "dropped": self.expert.shape,
        }
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise TraceError(f"trace: {name} has shape {found}, expected {shape}")
        if self.expert.shape[:2] != (layers, tokens):
            raise TraceError(
                f"trace: expert has shape {self.expert.shape}, expected ({layers}, {tokens}, K)"
            )
        pairs = len(self.captions)
        for name in ("image_embeddings", "text_embeddings"):
            if getattr(self, name).shape[0] != pairs:
                raise TraceError(f"trace: {name} is not one row for each of {pairs} captions")
        for key, values in self.meta.items():
            if values.shape != (pairs,):
                raise TraceError(f"trace: meta[{key!r}] has shape {values.shape}, not ({pairs},)")
        if tokens and (self.pair.min() < 0 or self.pair.max() >= pairs):
            raise TraceError(f"trace: a token names a pair outside 0..{pairs - 1}")
        if self.expert.size and (self.expert.min() < 0 or self.expert.max() >= experts):
            raise TraceError(f"trace: a token names an expert outside 0..{experts - 1}")
        if self.hidden is not None and self.hidden.shape[:2] != (layers, tokens):
            raise TraceError(f"trace: hidden has shape {self.hidden.shape}, wanted (L, T, c)")

    @property
    def num_layers(self) -> int:
        """MoE layers (L)."""
        return self.probs.shape[0]

    @property
    def num_tokens(self) -> int:
        """Tokens over all pairs (T)."""
        return self.probs.shape[1]

    @property
    def num_experts(self) -> int:
        """Experts per layer (E)."""
        return self.probs.shape[2]

    @property
    def num_pairs(self) -> int:
        """Pairs (N)."""
        return len(self.captions)

    @property
    def top_k(self) -> int:
        """Choices per token (K)."""
        return self.expert.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take."""
        return sum(array.nbytes for array in _arrays(self).values())

    def __repr__(self) -> str:
        text = int((self.modality == TEXT).sum())
        blocks = ", ".join(map(str, self.layers)) or "none"
        lines = [
            f"RoutingTrace(pairs={self.num_pairs}, tokens={self.num_tokens})",
            f"{self.num_tokens - text:,} image tokens, {text:,} text tokens",
            f"blocks {blocks}; {self.num_experts} experts, top {self.top_k}; "
            f"{int(self.dropped.sum()):,} of {self.dropped.size:,} choices dropped",
            f"each picture {self.image_size}×{self.image_size} pixels in {self.grid**2} patches",
            f"about each pair: {', '.join(self.meta) or 'nothing more'}"
            + ("; routers' inputs kept" if self.hidden is not None else ""),
        ]
        return "\n  ".join(lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RoutingTrace):
            return NotImplemented
        mine, theirs = _arrays(self), _arrays(other)
        return (
            (self.image_size, self.grid) == (other.image_size, other.grid)
            and mine.keys() == theirs.keys()
            and all(
                mine[k].dtype.kind == theirs[k].dtype.kind and np.array_equal(mine[k], theirs[k])
                for k in mine
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def half(self) -> RoutingTrace:
        """The same trace with its real numbers in float16 (relative error at most 2⁻¹¹)."""
        halved = {
            name: getattr(self, name).astype(np.float16)
            for name in ("probs", "gate", "image_embeddings", "text_embeddings")
        }
        hidden = None if self.hidden is None else self.hidden.astype(np.float16)
        return dataclasses.replace(self, **halved, hidden=hidden)

    def select(self, pairs: Integer[np.ndarray, " M"] | list[int]) -> RoutingTrace:
        """The trace of some pairs alone, renumbered 0, 1, … in the order given."""
        chosen = np.asarray(pairs, dtype=np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.num_pairs):
            raise TraceError(f"select: pairs must lie in 0..{self.num_pairs - 1}")
        tokens = [np.flatnonzero(self.pair == pair) for pair in chosen]
        order = np.concatenate(tokens) if tokens else np.zeros(0, np.int64)
        return dataclasses.replace(
            self,
            modality=self.modality[order],
            pair=np.repeat(np.arange(len(chosen)), [len(t) for t in tokens]).astype(np.int32),
            position=self.position[order],
            piece=self.piece[order],
            box=self.box[order],
            probs=self.probs[:, order],
            expert=self.expert[:, order],
            gate=self.gate[:, order],
            dropped=self.dropped[:, order],
            captions=self.captions[chosen],
            image_embeddings=self.image_embeddings[chosen],
            text_embeddings=self.text_embeddings[chosen],
            meta={key: values[chosen] for key, values in self.meta.items()},
            hidden=None if self.hidden is None else self.hidden[:, order],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace to one compressed .npz file, whole or not at all."""
        path = Path(path)
        header = {"format": _FORMAT, "image_size": self.image_size, "grid": self.grid}
        # An open file, since savez would add a suffix to a path without one.
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **_arrays(self))

    @classmethod
    def load(cls, file: str | os.PathLike[str] | BinaryIO) -> RoutingTrace:
        """Read a trace that `save` wrote; equal to the one saved.

        Args:
          file: its path, or the file itself, open for reading.

        Raises:
          TraceError: if the file is damaged, foreign, from a newer version, or its content makes no
            sense.
        """
        if not isinstance(file, str | os.PathLike):
            return _read(file)
        try:
            with Path(file).open("rb") as content:
                return _read(content)
        except (TraceError, OSError) as error:
            raise TraceError(f"{file}: {error}") from error


def _read(file: BinaryIO) -> RoutingTrace:
    try:
        arrays: dict[str, Any] = {**read_arrays(file)}
        image_size, grid = _read_header(str(arrays.pop("header")))
    except TraceError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for broken bytes
        raise TraceError(f"not a readable routing trace ({error})") from error
    meta = {k.removeprefix("meta."): arrays.pop(k) for k in list(arrays) if k[:5] == "meta."}
    _require_kinds(arrays, meta)
    try:
        trace = RoutingTrace(**arrays, meta=meta, image_size=image_size, grid=grid)
    except TypeError as error:
        raise TraceError(f"not a whole routing trace ({error})") from error
    _require_sense(trace)
    return trace


def _read_header(text: str) -> tuple[int, int]:
    header = from_json(text)
    if not isinstance(header, dict) or type(header.get("format")) is not int:
        raise TraceError("not a routing trace")
    if header["format"] > _FORMAT:
        raise TraceError(f"trace format {header['format']} is newer than ours")
    for name in ("image_size", "grid"):
        size = header.get(name)
        if type(size) is not int or not 1 <= size <= _LARGEST:
            raise TraceError(f"{name} in the header is no size")
    return header["image_size"], header["grid"]


def _require_kinds(arrays: Mapping[str, np.ndarray], meta: Mapping[str, np.ndarray]) -> None:
    """Refuses arrays that are not of the kind that their name stands for."""
    for name, array in arrays.items():
        kind, dimensions = _KINDS.get(name, (None, 0))
        if kind is None:
            raise TraceError(f"{name[:40]!r} is no part of a trace")
        if array.dtype.kind not in kind or array.dtype == np.uint64 or array.ndim != dimensions:
            raise TraceError(f"{name} is {array.dtype} with {array.ndim} dimensions")
    for name, array in meta.items():
        if array.dtype.kind != "U" or array.ndim != 1:
            raise TraceError(f"meta[{name[:40]!r}] is {array.dtype} with {array.ndim} dimensions")


def _require_sense(trace: RoutingTrace) -> None:
    """Refuses values that no router and no picture gives; what fits together was checked before."""
    for name in ("probs", "gate"):
        values = getattr(trace, name)
        if not np.all((values >= 0) & (values <= 1 + _ROUNDING)):
            raise TraceError(f"{name} holds values that are no shares of 1: training diverged?")
    total = trace.probs.sum(axis=-1, dtype=np.float64)
    if not np.all(np.abs(total - 1) <= _ROUNDING):
        raise TraceError("probs are no distributions over experts")
    for name in ("image_embeddings", "text_embeddings", "hidden"):
        values = getattr(trace, name)
        if values is not None and not np.isfinite(values).all():
            raise TraceError(f"{name} holds values that are not finite: training diverged?")
    if trace.image_embeddings.shape != trace.text_embeddings.shape:
        raise TraceError("image_embeddings and text_embeddings are of different shapes")
    if trace.layers.size and (trace.layers[0] < 1 or np.any(np.diff(trace.layers) <= 0)):
        raise TraceError("layers are not numbers of blocks in rising order")
    if trace.modality.size and trace.modality.max() > TEXT:
        raise TraceError("modality is neither 0 nor 1")
    chosen = np.sort(trace.expert, axis=-1)
    if trace.expert.size and np.any(chosen[..., 1:] == chosen[..., :-1]):
        raise TraceError("a token chooses one expert twice")
    _require_places(trace)


def _require_places(trace: RoutingTrace) -> None:
    """Refuses tokens that lie nowhere, or where another one lies."""
    if trace.image_size % trace.grid:
        raise TraceError(f"{trace.image_size} pixels are not {trace.grid} whole patches")
    side, is_text = trace.image_size // trace.grid, trace.modality == TEXT
    position = trace.position.astype(np.int64)
    most = np.where(is_text, _LARGEST, trace.grid**2)
    if np.any((position < 0) | (position >= most)):
        raise TraceError("a token has a position outside of its picture or text")
    rows, columns = np.divmod(position, trace.grid)
    corners = side * np.stack([columns, rows, columns + 1, rows + 1], axis=-1)
    if np.any(trace.box != np.where(is_text[:, None], -1, corners)):
        raise TraceError("a box is not that of its patch")
    places = np.stack([trace.pair, is_text, position]).astype(np.int64)
    if len(np.unique(places, axis=1).T) != trace.num_tokens:
        raise TraceError("two tokens have one place")


def _arrays(trace: RoutingTrace) -> dict[str, Any]:
    """Every array of the trace by the name that it has in the file."""
    arrays = {
        f.name: getattr(trace, f.name)
        for f in dataclasses.fields(trace)
        if isinstance(getattr(trace, f.name), np.ndarray)
    }
    return arrays | {f"meta.{key}": values for key, values in trace.meta.items()}
