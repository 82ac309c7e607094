"""RoutingTrace: what every router decided about every token."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from limoe_core.trace import archive, checks, composing, joining, reading
from limoe_core.trace.parts import MODALITIES, Pictures, Routers, TraceError

_TOKENS = ("modality", "pair", "position", "piece", "box", "kind", "picture", "offset")
_LAYERS = ("probs", "expert", "gate", "dropped", "hidden", "score", "score_expert")
_PAIRS = ("captions", "image_embeddings", "text_embeddings", "prompts")


@dataclass(frozen=True, eq=False)
class RoutingTrace:
    """Every router's decision about every token of N pairs.

    T tokens over all pairs, L routers, E experts at most a router, K choices a token. A pair may
    lack its picture or its text; it then has no tokens of that modality. What is None is not known
    of these tokens.
    """

    layers: Integer[np.ndarray, " L"]
    """Numbers of the routers, rising: of their blocks, counted from 1, where each has one."""
    modality: UInt8[np.ndarray, " T"]
    """0 for an image token (a patch), 1 for a text token (a piece), 2 for neither."""
    pair: Integer[np.ndarray, " T"]
    """The pair that the token belongs to."""
    position: Integer[np.ndarray, " T"]
    """Patch index in row-major order in its picture, or place in the text."""
    piece: np.ndarray
    """(T,) str: the text piece, "" for a patch."""
    box: Integer[np.ndarray, "T 4"]
    """Patch as x0, y0, x1, y1 in pixels of the model's input; -1 for text."""
    probs: Float[np.ndarray, "L T E"] | None
    """The score of every expert without noise and bias: by softmax the gate distribution p(e|x)."""
    expert: Integer[np.ndarray, "L T K"]
    """Chosen experts, best first; -1, last, where a router chose fewer. Training noise, an
    intervention or a bias may choose others than those of the largest `probs`."""
    gate: Float[np.ndarray, "L T K"] | None
    """Gate value of each choice: its weight in the layer's output."""
    dropped: Bool[np.ndarray, "L T K"]
    """Whether the choice found no place in its expert's buffer."""
    captions: np.ndarray
    """(N,) str: the text of each pair, "" where there is none."""
    image_embeddings: Float[np.ndarray, "N d"]
    """Unit vectors; zeros where a pair has no picture. d is 0 for a model without a joint space."""
    text_embeddings: Float[np.ndarray, "N d"]
    """Unit vectors; zeros where a pair has no text."""
    image_size: int
    """Side of the model's input picture, in pixels; 0 where `pictures` have sizes of their own."""
    grid: int
    """Patches along one side; 0 where `pictures` have grids of their own."""
    meta: dict[str, np.ndarray] = field(default_factory=dict)
    """What else is known of each pair, (N,) str: concept, category, language, style, …"""
    hidden: Float[np.ndarray, "L T c"] | None = None
    """The routers' inputs, where they were asked for."""
    routers: Routers | None = None
    """What is known of the routers; None for softmax ones of as many experts as `probs` is wide."""
    kinds: tuple[str, ...] = MODALITIES
    """Names of the kinds of tokens."""
    kind: UInt8[np.ndarray, " T"] | None = None
    """Place of each token's kind in `kinds`; None where it is the modality."""
    pictures: Pictures | None = None
    """The pictures, where they are not one a pair, of `grid` × `grid` patches."""
    picture: Integer[np.ndarray, " T"] | None = None
    """The picture of each patch, a row of `pictures`; -1 for other tokens."""
    prompts: np.ndarray | None = None
    """(N,) str: the whole text that the model read, after its template."""
    offset: Integer[np.ndarray, "T 2"] | None = None
    """First character and end of each piece in its prompt, or caption; -1 where it has no place."""
    score: Float[np.ndarray, "L T M"] | None = None
    """Instead of `probs`: the M highest scores of each token, highest first."""
    score_expert: Integer[np.ndarray, "L T M"] | None = None
    """Whose they are."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """What made the trace: library, version, model, revision, dtype, prompt, …"""

    @classmethod
    def of(
        cls,
        expert: Integer[np.ndarray, "L T K"],
        pair: Integer[np.ndarray, " T"],
        kind: Sequence[str],
        captions: Sequence[str],
        routers: Routers,
        **known: Any,
    ) -> RoutingTrace:
        """A trace of what is known of some other model's tokens; what is not given is left out.

        Args:
          expert, pair, routers: as the fields.
          kind: the name of each token's kind, "image" and "text" among them.
          captions: the text of each pair.
          known: any other fields. `layers` are the routers counted from 1 unless given, places in
            pictures and texts the order of the tokens, and boxes the cells of `pictures`.

        Raises:
          TraceError: they do not fit together, or make no sense.
        """
        return _checked(
            {**composing.fields(expert, pair, kind, captions), "routers": routers} | known
        )

    def __post_init__(self) -> None:
        wrong = next(checks.shapes(self), None) or next(checks.references(self), None)
        if wrong is not None:
            raise TraceError(f"trace: {wrong}")

    @property
    def num_layers(self) -> int:
        """Routers (L): MoE layers, where each has one."""
        return self.expert.shape[0]

    @property
    def num_tokens(self) -> int:
        """Tokens over all pairs (T)."""
        return self.expert.shape[1]

    @property
    def num_experts(self) -> int:
        """Experts per layer (E), the most where layers differ."""
        if self.probs is not None:
            return self.probs.shape[2]
        return int(self.experts.max(initial=1))

    @property
    def experts(self) -> Integer[np.ndarray, " L"]:
        """Experts of each router."""
        if self.routers is not None:
            return self.routers.experts
        wide = 1 if self.probs is None else self.probs.shape[2]
        return np.full(self.num_layers, wide, np.int32)

    @property
    def names(self) -> tuple[str, ...]:
        """What each router is called: "block 4" where nothing else is known."""
        if self.routers is not None:
            return self.routers.names
        return tuple(f"block {number}" for number in self.layers)

    @property
    def scoring(self) -> str:
        """How scores come of logits."""
        return "softmax" if self.routers is None else self.routers.scoring

    @property
    def num_pairs(self) -> int:
        """Pairs (N)."""
        return len(self.captions)

    @property
    def top_k(self) -> int:
        """Choices per token (K)."""
        return self.expert.shape[2]

    @property
    def chose(self) -> Bool[np.ndarray, "L T K"]:
        """Whether there is such a choice."""
        return self.expert >= 0

    @property
    def token_kinds(self) -> np.ndarray:
        """(T,) str: the name of each token's kind."""
        names = np.array([*self.kinds, "other"])
        if self.kind is not None:
            return names[self.kind]
        return np.array([*MODALITIES, "other"])[self.modality]

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take."""
        kept = 0 if self.pictures is None else sum(map(len, self.pictures.content))
        return kept + sum(array.nbytes for array in archive.arrays(self).values())

    def __repr__(self) -> str:
        counts = [f"{int(np.sum(self.token_kinds == kind)):,} {kind} tokens" for kind in self.kinds]
        blocks = tuple(f"block {layer}" for layer in self.layers)
        usual = self.routers is None or (self.routers.names == blocks and self.scoring == "softmax")
        called = (
            f"blocks {', '.join(map(str, self.layers)) or 'none'}"
            if usual
            else f"{self.num_layers} routers, {self.scoring}"
        )
        if self.pictures is not None:
            pictures = f"{len(self.pictures)} pictures with grids of their own"
        elif self.grid:
            side = self.image_size
            pictures = f"each picture {side}×{side} pixels in {self.grid**2} patches"
        else:
            pictures = "no pictures"
        lines = [
            f"RoutingTrace(pairs={self.num_pairs}, tokens={self.num_tokens})",
            ", ".join(counts),
            f"{called}; {self.num_experts} experts, top {self.top_k}; "
            f"{int(self.dropped.sum()):,} of {self.dropped.size:,} choices dropped",
            pictures,
            f"about each pair: {', '.join(self.meta) or 'nothing more'}"
            + ("; routers' inputs kept" if self.hidden is not None else ""),
            *([f"made by {self.maker}"] if self.made_by else []),
        ]
        return "\n  ".join(lines)

    @property
    def maker(self) -> str:
        """What made the trace, in a few words; "" if that is not known."""
        said = self.made_by
        library = f"{said.get('library', '')} {said.get('version', '')}".strip()
        return ", ".join(part for part in (said.get("model", ""), library) if part)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RoutingTrace):
            return NotImplemented
        mine, theirs = archive.arrays(self), archive.arrays(other)
        return (
            archive.header(self) == archive.header(other)
            and mine.keys() == theirs.keys()
            and all(
                mine[k].dtype.kind == theirs[k].dtype.kind and np.array_equal(mine[k], theirs[k])
                for k in mine
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def half(self) -> RoutingTrace:
        """The same trace with its real numbers in float16 (relative error at most 2⁻¹¹)."""
        names = ("probs", "gate", "image_embeddings", "text_embeddings", "hidden", "score")
        return dataclasses.replace(
            self,
            **{
                name: getattr(self, name).astype(np.float16)
                for name in names
                if getattr(self, name) is not None
            },
        )

    def counting(self, *, image: Sequence[str], text: Sequence[str]) -> RoutingTrace:
        """The same trace with other kinds of tokens taken for the two modalities.

        Args:
          image, text: names among `kinds`; tokens of all others are not counted.

        Raises:
          TraceError: a name is no kind of this trace, or is given for both.
        """
        if unknown := sorted({*image, *text} - set(self.kinds)):
            raise TraceError(
                f"counting: no kind of token is called {unknown[0]!r}; there are "
                f"{', '.join(self.kinds)}"
            )
        if both := sorted({*image} & {*text}):
            raise TraceError(f"counting: {both[0]!r} is given for both modalities")
        found = self.token_kinds
        codes = np.where(np.isin(found, list(image)), 0, np.where(np.isin(found, list(text)), 1, 2))
        kind = self.modality if self.kind is None else self.kind
        return dataclasses.replace(self, modality=codes.astype(np.uint8), kind=kind)

    def select(self, pairs: Integer[np.ndarray, " M"] | list[int]) -> RoutingTrace:
        """The trace of some pairs alone, renumbered 0, 1, … in the order given."""
        chosen = np.asarray(pairs, dtype=np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.num_pairs):
            raise TraceError(f"select: pairs must lie in 0..{self.num_pairs - 1}")
        tokens = [np.flatnonzero(self.pair == pair) for pair in chosen]
        order = np.concatenate(tokens) if tokens else np.zeros(0, np.int64)
        owners = np.repeat(np.arange(len(chosen)), [len(t) for t in tokens]).astype(np.int32)
        parts: dict[str, Any] = {
            **{n: v[order] for n in _TOKENS if (v := getattr(self, n)) is not None},
            **{n: v[:, order] for n in _LAYERS if (v := getattr(self, n)) is not None},
            **{n: v[chosen] for n in _PAIRS if (v := getattr(self, n)) is not None},
            "pair": owners,
            "meta": {key: values[chosen] for key, values in self.meta.items()},
        }
        if self.pictures is not None and self.picture is not None:
            parts["pictures"], parts["picture"] = self._select_pictures(chosen, owners, order)
        return dataclasses.replace(self, **parts)

    def take(self, tokens: Bool[np.ndarray, " T"]) -> RoutingTrace:
        """The trace with some of its tokens alone, and all of its pairs."""
        parts = {n: v[tokens] for n in _TOKENS if (v := getattr(self, n)) is not None}
        parts |= {n: v[:, tokens] for n in _LAYERS if (v := getattr(self, n)) is not None}
        return dataclasses.replace(self, **parts)

    def _select_pictures(
        self, chosen: np.ndarray, owners: np.ndarray, order: np.ndarray
    ) -> tuple[Pictures, np.ndarray]:
        assert self.pictures is not None and self.picture is not None
        some, which = self.pictures.select(chosen)
        # A pair may be chosen twice, and its pictures with it: each copy has its own.
        renumbered = {(int(some.pair[new]), int(old)): new for new, old in enumerate(which)}
        old = self.picture[order].tolist()
        found = [renumbered.get(key, -1) for key in zip(owners.tolist(), old, strict=True)]
        return some, np.array(found, np.int32)

    def save(self, path: str | os.PathLike[str], *, gate_steps: int | None = None) -> None:
        """Write the trace to one compressed .npz file, whole or not at all.

        Args:
          gate_steps: keep gate values in so many steps, 15 to 65,535, from 0 to the routers'
            scaling: far smaller, and at most scaling / (2 · steps) off. By default as they are.
        """
        archive.write(Path(path), archive.header(self), archive.arrays(self), gate_steps)

    @classmethod
    def load(cls, file: str | os.PathLike[str] | BinaryIO) -> RoutingTrace:
        """Read a trace that `save` wrote, or another tool; equal to the one saved.

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

    @classmethod
    def joined(cls, traces: Sequence[RoutingTrace]) -> RoutingTrace:
        """Traces of one model's pairs as one trace, pairs in the order given.

        Raises:
          TraceError: there is none, or they are of different models.
        """
        if not traces:
            raise TraceError("joined: there is no trace to join")
        return cls(**joining.joined(traces))


def _read(content: BinaryIO) -> RoutingTrace:
    return _checked(reading.read(content))


def _checked(parts: dict[str, Any]) -> RoutingTrace:
    """A trace of these fields, the ones that follow from others added."""
    try:
        trace = RoutingTrace(**composing.completed(parts))
        wrong = next(checks.sense(trace), None)
    except TraceError:
        raise
    except (TypeError, ValueError, IndexError, ArithmeticError) as error:
        raise TraceError(f"not a whole routing trace ({error})") from error
    if wrong is not None:
        raise TraceError(wrong)
    return trace
