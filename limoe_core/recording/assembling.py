"""Routing traces of what routers decided about batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Integer, Shaped

from limoe_core.recording.batches import Batch
from limoe_core.recording.decisions import Decision
from limoe_core.recording.routers import Router, names, numbers
from limoe_core.recording.scoring import Scoring, bias_of
from limoe_core.recording.tokens import KINDS
from limoe_core.trace import IMAGE, OTHER, TEXT, Pictures, Routers, RoutingTrace

_MODALITY = np.array([IMAGE, TEXT, OTHER, OTHER], np.uint8)
#: A token chooses one of any number of experts: models have at most a few hundred.
_DROPLESS = 0.0


@dataclass(frozen=True, eq=False)
class Assembler:
    """Makes traces of one model's decisions."""

    routers: Sequence[Router]
    scoring: Scoring
    meta: Sequence[str]
    """What is told of each pair, by name."""
    made_by: Mapping[str, str]
    scores: bool
    """Whether the score of every expert is kept."""

    def __call__(self, batch: Batch, decisions: Sequence[Decision]) -> RoutingTrace:
        """The trace of a batch."""
        real = torch.from_numpy(batch.real.reshape(-1))
        counts = [len(tokens.kind) for tokens in batch.tokens]
        kind = np.concatenate([tokens.kind for tokens in batch.tokens])
        pair = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        position = np.concatenate([tokens.position for tokens in batch.tokens])
        pictures, picture = _pictures(batch)
        modality = _MODALITY[kind]
        expert = _stacked([d.choice[real] for d in decisions], -1).astype(np.int16)
        scores = None
        if self.scores and self.scoring.scores(decisions[0].logits[:1]) is not None:
            every = [self.scoring.scores(d.logits[real]) for d in decisions]
            scores = _stacked([each for each in every if each is not None], 0).astype(np.float16)
        return RoutingTrace(
            layers=np.array(numbers(list(self.routers)), np.int32),
            modality=modality,
            pair=pair,
            position=position,
            piece=np.concatenate([tokens.piece for tokens in batch.tokens]),
            box=_boxes(pictures, picture, position, _on_grid(batch)),
            probs=scores,
            expert=expert,
            gate=_stacked([d.weight[real].float() for d in decisions], 0).astype(np.float32),
            dropped=np.zeros(expert.shape, bool),
            captions=np.array([each.text for each in batch.pairs], np.str_),
            image_embeddings=np.zeros((len(counts), 0), np.float32),
            text_embeddings=np.zeros((len(counts), 0), np.float32),
            image_size=0,
            grid=0,
            meta={
                name: np.array([each.about.get(name, "") for each in batch.pairs], np.str_)
                for name in self.meta
            },
            routers=self._routers(decisions),
            kinds=KINDS,
            kind=kind,
            pictures=pictures,
            picture=picture,
            prompts=np.array([prompt.text for prompt in batch.prompts], np.str_),
            offset=np.concatenate([tokens.offset for tokens in batch.tokens]),
            made_by=dict(self.made_by),
        )

    def _routers(self, decisions: Sequence[Decision]) -> Routers:
        experts = np.array([decision.logits.shape[1] for decision in decisions], np.int32)
        found = [bias_of(router) for router in self.routers]
        bias = None
        if any(each is not None for each in found):
            bias = np.zeros((len(found), int(experts.max())), np.float32)
            for row, each in zip(bias, found, strict=True):
                if each is not None:
                    row[: len(each)] = each.numpy()
        return Routers(
            experts=experts,
            names=tuple(names(self.routers)),
            scoring=self.scoring.name,
            scaling=self.scoring.scaling,
            capacity_factor=_DROPLESS,
            reachable=_reachable(self.routers, experts),
            bias=bias,
        )


def _reachable(
    routers: Sequence[Router], experts: Integer[np.ndarray, " L"]
) -> Bool[np.ndarray, "L kinds E"] | None:
    """Which experts each kind of token can choose, where some are for a modality by design.

    Marks around a picture go with it, and others with the text, so these can choose any.
    """
    if all(len(router.gates) == 1 for router in routers):
        return None
    found = np.ones((len(routers), len(KINDS), int(experts.max())), bool)
    for row, router, count in zip(found, routers, experts, strict=True):
        row[:, count:] = False
        each = int(count) // len(router.gates)
        for at, gate in enumerate(router.gates):
            other = "text" if gate.modality == "image" else "image"
            if gate.modality:
                row[KINDS.index(other), at * each : (at + 1) * each] = False
    return found


def _stacked(rows: Sequence[torch.Tensor], fill: float) -> Shaped[np.ndarray, "L T w"]:
    """Rows of different widths as one array."""
    wide = max(row.shape[1] for row in rows)
    padded = [
        torch.nn.functional.pad(row, (0, wide - row.shape[1]), value=fill).cpu().numpy()
        for row in rows
    ]
    return np.stack(padded)


def _pictures(batch: Batch) -> tuple[Pictures, Integer[np.ndarray, " T"]]:
    listed = [(at, each) for at, some in enumerate(batch.pictures) for each in some]
    column = {
        name: np.array([getattr(each, name) for _, each in listed], np.int32)
        for name in ("rows", "columns", "width", "height")
    }
    before = np.cumsum([0, *(len(some) for some in batch.pictures)])
    picture = np.concatenate(
        [
            np.where(tokens.picture >= 0, tokens.picture + start, -1)
            for tokens, start in zip(batch.tokens, before, strict=False)
        ]
    ).astype(np.int32)
    table = Pictures(
        pair=np.array([at for at, _ in listed], np.int32),
        content=tuple(each.content for _, each in listed),
        **column,
    )
    return table, picture


def _on_grid(batch: Batch) -> Bool[np.ndarray, " P"]:
    return np.array([each.is_grid for some in batch.pictures for each in some], bool)


def _boxes(
    pictures: Pictures,
    picture: Integer[np.ndarray, " T"],
    position: Integer[np.ndarray, " T"],
    on_grid: Bool[np.ndarray, " P"],
) -> Integer[np.ndarray, "T 4"]:
    """The cells of tokens; the whole picture where it is not known which part a token is of."""
    boxes = np.full((len(picture), 4), -1, np.int32)
    shown = picture >= 0
    if not shown.any():
        return boxes
    mine = picture[shown]
    width, height = pictures.width[mine], pictures.height[mine]
    whole = np.stack([np.zeros_like(width), np.zeros_like(width), width, height], axis=-1)
    cells = pictures.boxes(mine, position[shown])
    boxes[shown] = np.where(on_grid[mine][:, None], cells, whole)
    return boxes
