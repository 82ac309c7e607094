"""What the experts of a step do, measured on many pairs by `evaluate --experts` and kept in a run.

One file a step, `<run>/experts/<step>.npz`. It holds every router's decisions, in a byte or two a
token and layer, and of gate distributions only their means: a hundred times less than traces take.
Whatever can be counted of a trace can be counted of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped, UInt8

from limoe_core.arrays import read_arrays
from limoe_core.config import ModelConfig
from limoe_core.confined import ANYWHERE
from limoe_core.files import from_json, replacing
from limoe_core.runs.files import MOST_ARRAYS, entries, is_step, opened
from limoe_core.trace import IMAGE, MODALITIES, TEXT, RoutingTrace

_FORMAT = 1
_SUFFIX = ".npz"
#: Gate values are kept as whole numbers up to this.
_GATES = 255


@dataclass(frozen=True, eq=False)
class OtherRouters:
    """Token counts of routers that learned nothing, on the routers' inputs of some of the pairs."""

    names: tuple[str, ...]
    """What they are, as `analysis.sceptics_check` calls them."""
    counts: Integer[np.ndarray, "R L D 2 E"]
    """Tokens by kind of router, layer, draw, modality and expert."""
    pairs: int
    """The first so many pairs of the record."""


@dataclass(frozen=True, eq=False)
class Causal:
    """Rise of the loss with each expert off for one modality, its tokens going to the next best."""

    split: str
    rises: Float[np.ndarray, "L E 2 M"]
    """Of each pair, in nats; float16."""
    losses: Float[np.ndarray, " M"]
    """Each pair's contribution to the loss with all experts on; chance is ln M."""
    tokens: Integer[np.ndarray, "L 2 E"]
    """Tokens that choose each expert first."""


@dataclass(frozen=True, eq=False)
class ExpertRecord:
    """Routing of N pairs of the run's own splits, T tokens in L layers with E experts and K choices
    a token."""

    told: Mapping[str, Any]
    """How it was measured: step, data, splits (pairs of each), seed, group (pairs that were routed
    together), capacity_factor, image_size, grid."""
    layers: Integer[np.ndarray, " L"]
    """Block numbers of the MoE layers, counted from 1."""
    modality: UInt8[np.ndarray, " T"]
    pair: Integer[np.ndarray, " T"]
    position: Integer[np.ndarray, " T"]
    piece: Shaped[np.ndarray, " T"]
    captions: Shaped[np.ndarray, " N"]
    expert: Integer[np.ndarray, "L T K"]
    """Choices, best first."""
    gate: Float[np.ndarray, "L T K"]
    """Their gate values, to 1/510."""
    dropped: Bool[np.ndarray, "L T K"]
    """At training's capacity."""
    mean_probs: Float[np.ndarray, "L 2 E"]
    """Average gate distribution of each modality."""
    token_entropy: Float[np.ndarray, "L 2"]
    """Mean entropy of single tokens' gate distributions, in nats."""
    untrained: Integer[np.ndarray, "L N 2 E"] | None
    """Choices of the same tokens at step 0, by pair; None where that step cannot be made again."""
    others: OtherRouters
    causal: Causal
    meta: dict[str, np.ndarray] = field(default_factory=dict)
    """Of each pair, (N,) str: split, concept, name, category, style, language."""

    @property
    def step(self) -> int:
        """The step that was measured."""
        return int(self.told["step"])

    @property
    def pairs(self) -> int:
        """Pairs (N)."""
        return len(self.captions)

    @property
    def experts(self) -> int:
        """Experts of a layer (E)."""
        return self.mean_probs.shape[2]

    @cached_property
    def trace(self) -> RoutingTrace:
        """The decisions as a trace, for all that is counted of one.

        Distributions over experts and embeddings are not kept: they are NaN.
        """
        grid, side = self.told["grid"], self.told["image_size"] // self.told["grid"]
        rows, columns = np.divmod(self.position.astype(np.int32), grid)
        corners = side * np.stack([columns, rows, columns + 1, rows + 1], axis=-1)
        nothing = np.full((self.pairs, 1), np.nan, np.float16)
        shape = (*self.expert.shape[:2], self.experts)
        return RoutingTrace(
            layers=self.layers,
            modality=self.modality,
            pair=self.pair,
            position=self.position,
            piece=self.piece,
            box=np.where((self.modality == TEXT)[:, None], -1, corners).astype(np.int32),
            probs=np.broadcast_to(np.float16(np.nan), shape),
            expert=self.expert,
            gate=self.gate,
            dropped=self.dropped,
            captions=self.captions,
            image_embeddings=nothing,
            text_embeddings=nothing,
            image_size=self.told["image_size"],
            grid=grid,
            meta=self.meta,
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The main numbers, ready for JSON: drops and entropies by layer and modality."""
        return {
            **self.told,
            "pairs": self.pairs,
            "layers": [
                {
                    "layer": int(block),
                    **{
                        modality: {
                            "dropped": float(self.dropped[layer, self.modality == code].mean()),
                            "token_entropy": float(self.token_entropy[layer, code]),
                            "largest_share": float(self.largest_shares[layer, code]),
                        }
                        for code, modality in enumerate(MODALITIES)
                    },
                }
                for layer, block in enumerate(self.layers)
            ],
        }

    @property
    def largest_shares(self) -> Float[np.ndarray, "L 2"]:
        """The largest share of a modality's choices that one expert has."""
        shares = [
            [
                np.bincount(chosen[self.modality == code].reshape(-1)).max(initial=0)
                / max(1, np.count_nonzero(self.modality == code) * chosen.shape[1])
                for code in range(len(MODALITIES))
            ]
            for chosen in self.expert.astype(np.int64)
        ]
        return np.array(shares)

    def __repr__(self) -> str:
        splits = ", ".join(f"{n:,} of {name}" for name, n in self.told["splits"].items())
        return (
            f"ExpertRecord(step={self.step}, pairs={self.pairs}: {splits} of {self.told['data']}; "
            f"blocks {', '.join(map(str, self.layers))}, {self.experts} experts)"
        )


def steps(folder: Path, within: Path = ANYWHERE) -> list[int]:
    """Steps that were measured, in rising order; looks at names alone.

    Raises:
      RunError: the folder may not be read.
    """
    stems = (n.removesuffix(_SUFFIX) for n in entries(folder, within) if n.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if is_step(stem))


def path(folder: Path, step: int) -> Path:
    """File of a step."""
    return folder / f"{step}{_SUFFIX}"


def write(file: Path, record: ExpertRecord) -> None:
    """Writes the file, whole or not at all."""
    others, causal = record.others, record.causal
    header = {
        "format": _FORMAT,
        "told": dict(record.told),
        "others": {"names": list(others.names), "pairs": others.pairs},
        "causal": {"split": causal.split},
    }
    small = np.uint8 if record.experts <= 256 else np.uint16
    arrays = {
        **{name: getattr(record, name) for name in _PLAIN},
        "expert": record.expert.astype(small),
        "gate": np.round(record.gate * _GATES).astype(np.uint8),
        "dropped": np.packbits(record.dropped),
        "others": others.counts.astype(np.uint32),
        "rises": causal.rises.astype(np.float16),
        "losses": causal.losses.astype(np.float32),
        "causal_tokens": causal.tokens.astype(np.uint32),
        **{f"meta.{name}": values for name, values in record.meta.items()},
    }
    if record.untrained is not None:
        arrays["untrained"] = record.untrained.astype(np.uint16)
    file.parent.mkdir(exist_ok=True)
    with replacing(file) as temporary, temporary.open("wb") as content:
        np.savez_compressed(content, header=np.array(json.dumps(header)), **arrays)


#: Arrays that are stored as they are.
_PLAIN = (
    *("layers", "modality", "pair", "position", "piece", "captions"),
    *("mean_probs", "token_entropy"),
)
#: Kind of NumPy's types and dimensions of every array of a file.
_KINDS = {
    **dict.fromkeys(("layers", "pair", "position", "modality"), ("iu", 1)),
    **dict.fromkeys(("piece", "captions"), ("U", 1)),
    **dict.fromkeys(("expert", "gate"), ("u", 3)),
    "dropped": ("u", 1),
    "mean_probs": ("f", 3),
    "token_entropy": ("f", 2),
    "untrained": ("u", 4),
    "others": ("u", 5),
    "rises": ("f", 4),
    "losses": ("f", 1),
    "causal_tokens": ("u", 3),
}


def read(file: Path, model: ModelConfig, within: Path = ANYWHERE) -> ExpertRecord:
    """A record that fits a model.

    Raises:
      RunError: the file cannot be read, is damaged, or is of another model.
    """
    with opened(file, MOST_ARRAYS, within) as content:
        arrays = {**read_arrays(content)}
        header = _header(str(arrays.pop("header")))
        meta = {name[5:]: arrays.pop(name) for name in list(arrays) if name.startswith("meta.")}
        _require_kinds(arrays, meta)
        record = _record(header, arrays, meta)
        _require_sense(record, model)
    return record


def _header(text: str) -> dict[str, Any]:
    header = from_json(text)
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("it is not a record of experts that this version reads")
    told, others, causal = (header.get(name) for name in ("told", "others", "causal"))
    if not all(isinstance(part, dict) for part in (told, others, causal)):
        raise ValueError("it does not say how it was measured")
    for name in ("step", "grid", "image_size", "group", "seed"):
        if type(told.get(name)) is not int or not 0 <= told[name] < 2**31:
            raise ValueError(f"{name} is no number")
    splits = told.get("splits")
    if not isinstance(splits, dict) or not all(type(n) is int for n in splits.values()):
        raise ValueError("it does not say which splits its pairs are of")
    names = others.get("names")
    if not isinstance(names, list) or type(others.get("pairs")) is not int:
        raise ValueError("it does not say which other routers it has")
    texts = [told.get("data"), causal.get("split"), *names]
    if not all(isinstance(text, str) and len(text) <= 200 for text in (*texts, *splits)):
        raise ValueError("a name in it is no name")
    return header


def _require_kinds(arrays: Mapping[str, np.ndarray], meta: Mapping[str, np.ndarray]) -> None:
    for name in _KINDS.keys() - {"untrained"} - arrays.keys():
        raise ValueError(f"it has no {name}")
    for name, array in arrays.items():
        kind, dimensions = _KINDS.get(name, ("", 0))
        if array.dtype.kind not in kind or array.ndim != dimensions or array.dtype == np.uint64:
            raise ValueError(f"{name[:40]!r} is {array.dtype} with {array.ndim} dimensions")
    for name, values in meta.items():
        if values.dtype.kind != "U" or values.shape != arrays["captions"].shape:
            raise ValueError(f"meta {name[:40]!r} is not one text for each pair")


def _record(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], meta: dict[str, np.ndarray]
) -> ExpertRecord:
    shape = arrays["expert"].shape
    bits = np.unpackbits(arrays["dropped"], count=int(np.prod(shape)))
    others = header["others"]
    return ExpertRecord(
        told=header["told"],
        **{name: arrays[name] for name in _PLAIN},
        expert=arrays["expert"].astype(np.int16),
        gate=arrays["gate"].astype(np.float32) / _GATES,
        dropped=bits.reshape(shape).astype(bool),
        untrained=arrays["untrained"].astype(np.int64) if "untrained" in arrays else None,
        others=OtherRouters(
            tuple(others["names"]), arrays["others"].astype(np.int64), others["pairs"]
        ),
        causal=Causal(
            header["causal"]["split"],
            arrays["rises"],
            arrays["losses"],
            arrays["causal_tokens"].astype(np.int64),
        ),
        meta=meta,
    )


def _require_sense(record: ExpertRecord, model: ModelConfig) -> None:
    """Refuses what does not fit together, or is of another model.

    Raises:
      ValueError: it does not, and how.
    """
    layers, tokens, pairs = len(record.layers), len(record.modality), record.pairs
    experts, measured = model.experts, len(record.causal.losses)
    blocks = tuple(block + 1 for block in model.moe_layers)
    if tuple(record.layers.tolist()) != blocks or record.experts != experts:
        raise ValueError(f"it is of another model: config.json has {model.summary}")
    if (record.told["grid"], record.told["image_size"]) != (model.grid, model.image_size):
        raise ValueError("it is of a model with pictures of another size")
    if not tokens or not pairs or not measured:
        raise ValueError("it holds no tokens")
    kinds = len(record.others.names)
    draws = record.others.counts.shape[2]
    wanted: dict[str, tuple[np.ndarray, tuple[int, ...]]] = {
        **{name: (getattr(record, name), (tokens,)) for name in ("pair", "position", "piece")},
        "expert": (record.expert, (layers, tokens, model.top_k)),
        "gate": (record.gate, (layers, tokens, model.top_k)),
        "mean_probs": (record.mean_probs, (layers, 2, experts)),
        "token_entropy": (record.token_entropy, (layers, 2)),
        "others": (record.others.counts, (kinds, layers, draws, 2, experts)),
        "rises": (record.causal.rises, (layers, experts, 2, measured)),
        "causal_tokens": (record.causal.tokens, (layers, 2, experts)),
    }
    if record.untrained is not None:
        wanted["untrained"] = (record.untrained, (layers, pairs, 2, experts))
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
    bounds = {
        "modality": (record.modality, len(MODALITIES)),
        "pair": (record.pair, pairs),
        "expert": (record.expert, experts),
        "position in a picture": (record.position[record.modality == IMAGE], model.patches),
        "position in a text": (record.position[record.modality == TEXT], model.text_length),
    }
    for name, (values, most) in bounds.items():
        if values.size and (values.min() < 0 or values.max() >= most):
            raise ValueError(f"{name} names something that is not there")
    numbers = (record.mean_probs, record.token_entropy, record.causal.rises, record.causal.losses)
    if not all(np.isfinite(each).all() for each in numbers):
        raise ValueError("it holds numbers that are not finite")
