"""What the experts of a step do, measured on many pairs by `evaluate --experts` and kept in a run.

One file a step, `<run>/experts/<step>.npz`. It holds every router's decisions as a trace
(docs/trace-format.md) without scores, in a byte or two a token and layer, and of gate distributions
only their means. Whatever can be counted of a trace can be counted of it.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from limoe_core.arrays import read_arrays
from limoe_core.config import ModelConfig
from limoe_core.confined import ANYWHERE
from limoe_core.files import from_json, replacing
from limoe_core.runs.files import MOST_ARRAYS, entries, is_step, opened
from limoe_core.trace import MODALITIES, RoutingTrace

_FORMAT = 1
_SUFFIX = ".npz"
#: Gate values are kept in so many steps.
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
class Removal:
    """Losses and answers of M pairs with more and more experts off, by `limoe_core.evaluation`."""

    removed: Integer[np.ndarray, " S"]
    """Experts that are off, over all layers."""
    losses: Float[np.ndarray, "2 O S M"]
    """By modality that feels it and order: the first takes the most needed experts first, the
    others are random."""
    right: Bool[np.ndarray, "2 O S M"]
    """Whether the picture's own text is nearest to it among those of all M pairs."""


@dataclass(frozen=True, eq=False)
class ExpertRecord:
    """What the experts of a step do, on N pairs of the run's own splits."""

    told: Mapping[str, Any]
    """How it was measured: step, data, splits (pairs of each), seed, group (pairs that were routed
    together), capacity_factor."""
    trace: RoutingTrace
    """Every router's decisions at training's capacity, gates to 1/510; without distributions over
    experts and embeddings. About each pair: split, concept, name, category, style, language."""
    mean_probs: Float[np.ndarray, "L 2 E"]
    """Average gate distribution of each modality."""
    token_entropy: Float[np.ndarray, "L 2"]
    """Mean entropy of single tokens' gate distributions, in nats."""
    untrained: Integer[np.ndarray, "L N 2 E"] | None
    """Choices of the same tokens at step 0, by pair; None where that step cannot be made again."""
    others: OtherRouters
    causal: Causal
    removal: Removal

    @property
    def step(self) -> int:
        """The step that was measured."""
        return int(self.told["step"])

    @property
    def pairs(self) -> int:
        """Pairs (N)."""
        return self.trace.num_pairs

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
                            "dropped": float(self.trace.dropped[layer, self._mask(code)].mean()),
                            "token_entropy": float(self.token_entropy[layer, code]),
                            "largest_share": float(self.largest_shares[layer, code]),
                        }
                        for code, modality in enumerate(MODALITIES)
                    },
                }
                for layer, block in enumerate(self.trace.layers)
            ],
        }

    @property
    def largest_shares(self) -> Float[np.ndarray, "L 2"]:
        """The largest share of a modality's choices that one expert has."""
        found = np.zeros((self.trace.num_layers, len(MODALITIES)))
        for layer, chosen in enumerate(self.trace.expert.astype(np.int64)):
            for code in range(len(MODALITIES)):
                counts = np.bincount(chosen[self._mask(code)].reshape(-1))
                found[layer, code] = counts.max(initial=0) / max(1, counts.sum())
        return found

    def _mask(self, code: int) -> Bool[np.ndarray, " T"]:
        return self.trace.modality == code

    def __repr__(self) -> str:
        splits = ", ".join(f"{n:,} of {name}" for name, n in self.told["splits"].items())
        return (
            f"ExpertRecord(step={self.step}, pairs={self.pairs}: {splits} of {self.told['data']}; "
            f"blocks {', '.join(map(str, self.trace.layers))}, {self.trace.num_experts} experts)"
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
    others, causal, removal = record.others, record.causal, record.removal
    header = {
        "format": _FORMAT,
        "told": dict(record.told),
        "others": {"names": list(others.names), "pairs": others.pairs},
        "causal": {"split": causal.split},
    }
    arrays: dict[str, Any] = {
        "trace": _as_bytes(record.trace),
        "mean_probs": record.mean_probs.astype(np.float32),
        "token_entropy": record.token_entropy.astype(np.float32),
        "others": others.counts.astype(np.uint32),
        "rises": causal.rises.astype(np.float16),
        "losses": causal.losses.astype(np.float32),
        "causal_tokens": causal.tokens.astype(np.uint32),
        "removed": removal.removed.astype(np.uint32),
        "removal_losses": removal.losses.astype(np.float16),
        "right": removal.right.astype(np.uint8),
    }
    if record.untrained is not None:
        arrays["untrained"] = record.untrained.astype(np.uint16)
    file.parent.mkdir(exist_ok=True)
    with replacing(file) as temporary, temporary.open("wb") as content:
        np.savez_compressed(content, header=np.array(json.dumps(header)), **arrays)


def _as_bytes(trace: RoutingTrace) -> UInt8[np.ndarray, " b"]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.npz"
        trace.save(file, gate_steps=_GATES)
        return np.frombuffer(file.read_bytes(), np.uint8)


#: Kind of NumPy's types and dimensions of every array of a file.
_KINDS = {
    "trace": ("u", 1),
    "mean_probs": ("f", 3),
    "token_entropy": ("f", 2),
    "untrained": ("u", 4),
    "others": ("u", 5),
    "rises": ("f", 4),
    "losses": ("f", 1),
    "causal_tokens": ("u", 3),
    "removed": ("u", 1),
    "removal_losses": ("f", 4),
    "right": ("u", 4),
}


def read(file: Path, step: int, model: ModelConfig, within: Path = ANYWHERE) -> ExpertRecord:
    """The record of a step that fits a model.

    Raises:
      RunError: the file cannot be read, is damaged, or is of another step or another model.
    """
    with opened(file, MOST_ARRAYS, within) as content:
        arrays = {**read_arrays(content)}
        header = _header(str(arrays.pop("header")))
        _require_kinds(arrays)
        trace = RoutingTrace.load(io.BytesIO(arrays["trace"].astype(np.uint8).tobytes()))
        others, causal = header["others"], header["causal"]
        record = ExpertRecord(
            told=header["told"],
            trace=trace,
            mean_probs=arrays["mean_probs"],
            token_entropy=arrays["token_entropy"],
            untrained=arrays["untrained"].astype(np.int64) if "untrained" in arrays else None,
            others=OtherRouters(
                tuple(others["names"]), arrays["others"].astype(np.int64), others["pairs"]
            ),
            causal=Causal(
                causal["split"],
                arrays["rises"],
                arrays["losses"],
                arrays["causal_tokens"].astype(np.int64),
            ),
            removal=Removal(
                arrays["removed"].astype(np.int64),
                arrays["removal_losses"],
                arrays["right"].astype(bool),
            ),
        )
        if record.step != step:
            raise ValueError(f"it is of step {record.step:,}, not {step:,}")
        _require_fit(record, model)
        _require_counts(record)
    return record


def _header(text: str) -> dict[str, Any]:
    header = from_json(text)
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("it is not a record of experts that this version reads")
    parts = [header.get(name) for name in ("told", "others", "causal")]
    told, others, causal = (part if isinstance(part, dict) else {} for part in parts)
    for name in ("step", "group", "seed"):
        if type(told.get(name)) is not int or not 0 <= told[name] < 2**63:
            raise ValueError(f"{name} is no number")
    if type(told.get("capacity_factor")) not in (int, float):
        raise ValueError("capacity_factor is no number")
    splits, names = told.get("splits"), others.get("names")
    if not isinstance(splits, dict) or not all(type(n) is int for n in splits.values()):
        raise ValueError("it does not say which splits its pairs are of")
    if not isinstance(names, list) or type(others.get("pairs")) is not int:
        raise ValueError("it does not say which other routers it has")
    texts = [told.get("data"), causal.get("split"), *names, *splits]
    if not all(isinstance(text, str) and len(text) <= 200 for text in texts):
        raise ValueError("a name in it is no name")
    return header


def _require_kinds(arrays: Mapping[str, np.ndarray]) -> None:
    for name in _KINDS.keys() - {"untrained"} - arrays.keys():
        raise ValueError(f"it has no {name}")
    for name, array in arrays.items():
        kind, dimensions = _KINDS.get(name, ("", 0))
        if array.dtype.kind not in kind or array.ndim != dimensions or array.dtype == np.uint64:
            raise ValueError(f"{name[:40]!r} is {array.dtype} with {array.ndim} dimensions")


def _require_fit(record: ExpertRecord, model: ModelConfig) -> None:
    """Refuses what does not fit together, or is of another model.

    Raises:
      ValueError: it does not, and how.
    """
    trace, experts = record.trace, model.experts
    layers, pairs, measured = trace.num_layers, record.pairs, len(record.causal.losses)
    of_model = (
        tuple(block + 1 for block in model.moe_layers),
        *(model.experts, model.top_k, model.grid, model.image_size),
    )
    found = (
        tuple(trace.layers.tolist()),
        *(trace.num_experts, trace.top_k, trace.grid, trace.image_size),
    )
    if found != of_model or {*trace.experts.tolist()} != {experts}:
        raise ValueError(f"it is of another model: config.json has {model.summary}")
    left = record.removal.losses.shape[3]
    if not (trace.num_tokens and measured and left and record.removal.losses.shape[1] > 1):
        raise ValueError("it holds no tokens, or no pairs to switch experts off for")
    kinds, draws = len(record.others.names), record.others.counts.shape[2]
    wanted: dict[str, tuple[np.ndarray, tuple[int, ...]]] = {
        "mean_probs": (record.mean_probs, (layers, 2, experts)),
        "token_entropy": (record.token_entropy, (layers, 2)),
        "others": (record.others.counts, (kinds, layers, draws, 2, experts)),
        "rises": (record.causal.rises, (layers, experts, 2, measured)),
        "causal_tokens": (record.causal.tokens, (layers, 2, experts)),
        "removal_losses": (
            record.removal.losses,
            (2, *record.removal.losses.shape[1:2], len(record.removal.removed), left),
        ),
        "right": (record.removal.right, record.removal.losses.shape),
    }
    if record.untrained is not None:
        wanted["untrained"] = (record.untrained, (layers, pairs, 2, experts))
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
    numbers = (
        *(record.mean_probs, record.token_entropy, record.causal.rises, record.causal.losses),
        record.removal.losses,
    )
    if not all(np.isfinite(each).all() for each in numbers):
        raise ValueError("it holds numbers that are not finite")


def _require_counts(record: ExpertRecord) -> None:
    """Refuses numbers of pairs and of experts that cannot be.

    Raises:
      ValueError: they cannot, and why.
    """
    pairs, of_splits = record.pairs, list(record.told["splits"].values())
    if min(of_splits, default=0) < 0 or sum(of_splits) != pairs:
        raise ValueError(f"its splits have {sum(of_splits):,} pairs, and its trace {pairs:,}")
    if not 0 < record.others.pairs <= pairs:
        raise ValueError(f"its other routers are of {record.others.pairs:,} of {pairs:,} pairs")
    removed, there = record.removal.removed, int(record.trace.experts.sum())
    if not len(removed) or np.any(np.diff(removed) <= 0) or removed[-1] > there:
        raise ValueError(f"removed is no rising list of at most {there:,} experts that are off")
