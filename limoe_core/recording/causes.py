"""What an expert is for: a measure of the model with the expert changed for one kind of token."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from limoe_core.recording.batches import Batch, Batcher
from limoe_core.recording.changing import Change, Variant, changed
from limoe_core.recording.decisions import Decision
from limoe_core.recording.errors import RecordingError
from limoe_core.recording.forward import forward
from limoe_core.recording.listening import Listener
from limoe_core.recording.prompts import RecordedPair, Template
from limoe_core.recording.routers import Router, find_routers, numbers
from limoe_core.runs.directory import Run
from limoe_core.runs.effects import Effects
from limoe_core.runs.files import RunError

#: Seconds after which what was measured is written.
_WRITTEN_EVERY = 20.0


@dataclass(frozen=True)
class Measure:
    """A number for each pair of a batch, of the logits that the model gives."""

    of: Callable[[Float[torch.Tensor, "B S V"], Batch], Float[torch.Tensor, " B"]]
    name: str
    unit: str = ""
    chance: Callable[[int], float] | None = None
    """What guessing gives in a vocabulary of so many pieces; None where that is not defined."""


def loss_of_caption(
    logits: Float[torch.Tensor, "B S V"], batch: Batch
) -> Float[torch.Tensor, " B"]:
    """Mean loss in nats of the tokens of each pair's own text, each given all before it.

    Raises:
      RecordingError: a pair has no text.
    """
    meant = batch.of_kind("text").view(batch.real.shape)[:, 1:].to(logits.device)
    if not meant.any(dim=1).all():
        raise RecordingError("a pair has no text to measure the loss of; leave such pairs out")
    ids = batch.inputs["input_ids"][:, 1:].to(logits.device)
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), ids, reduction="none"
    )
    return (loss * meant).sum(dim=1) / meant.sum(dim=1)


CAPTION_LOSS = Measure(loss_of_caption, "loss of the caption's tokens", "nats", math.log)


def measure_causes(
    model: Any,
    processor: Any,
    pairs: Iterable[RecordedPair],
    *,
    run: Run,
    variant: Variant = "next best",
    measure: Measure = CAPTION_LOSS,
    kinds: Sequence[str] = ("image", "text"),
    routers: Sequence[int] | None = None,
    batch: int = 1,
    prompt: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effects:
    """The rise of a measure when an expert is changed for one kind of token, for every expert.

    One forward pass of all pairs for each expert and kind, where any of these tokens chooses it;
    without such tokens nothing can change, and the rise is 0. All pairs are kept in memory as the
    model takes them. What is measured is written to the run now and then, so that a call with the
    same pairs goes on from there.

    Args:
      variant: "next best" (its tokens go to the best of the others), "none" (it is chosen, and
        adds nothing) or "forced" (it takes the place of the last choice of every token).
      measure: of the model's logits; by default the loss of the caption's tokens.
      routers: numbers of some of them; all by default.
      progress: called with (done, total) experts and kinds.

    Raises:
      RecordingError: the model or a pair cannot be used, or a router has no such number.
    """
    found = find_routers(model)
    every = numbers(found)
    chosen = every if routers is None else list(routers)
    if unknown := sorted({*chosen} - {*every}):
        raise RecordingError(f"there is no router {unknown[0]}; there are {every}")
    batcher = Batcher(model, processor, Template(processor, prompt), batch)
    batches = list(batcher(pairs))
    if not batches:
        raise RecordingError("there are no pairs to measure on")
    work = _Work(model, batcher, batches, found, measure)
    effects = _begun(work, run, variant, kinds)
    places = [
        (at, expert, kind)
        for at, number in enumerate(every)
        if number in chosen
        for expert in range(effects.rise.shape[1])
        for kind in range(len(kinds))
        if effects.tokens[at, expert, kind] >= 0
    ]
    folder, written = run.path_of("causal"), time.monotonic()
    try:
        for done, (at, expert, kind) in enumerate(places, 1):
            if np.isnan(effects.rise[at, expert, kind]).any():
                change = Change(found[at], expert, variant)
                effects.rise[at, expert, kind] = work.rise(change, at, kinds[kind])
            if time.monotonic() - written > _WRITTEN_EVERY:
                effects.save(folder)
                written = time.monotonic()
            if progress is not None:
                progress(done, len(places))
    finally:
        effects.save(folder)
    return effects


class _Work:
    """A model and its pairs, with the measure and the decisions when nothing is changed."""

    def __init__(
        self,
        model: Any,
        batcher: Batcher,
        batches: Sequence[Batch],
        routers: Sequence[Router],
        measure: Measure,
    ) -> None:
        self._model, self._batcher = model, batcher
        self.batches, self.routers = batches, routers
        self.measure = measure
        self.decisions: list[list[Decision]] = []
        untouched = []
        with Listener(routers) as listener:
            for batch in batches:
                untouched.append(self._measured(batch))
                self.decisions.append(listener.take(batch.for_image))
        self._untouched = untouched
        self.baseline = np.concatenate(untouched)

    def _measured(self, batch: Batch) -> Float[np.ndarray, " B"]:
        with torch.inference_mode():
            logits = forward(self._model, self._batcher.on_device(batch))
            self.vocabulary = int(logits.shape[-1])
            found = self.measure.of(logits, batch).double().cpu().numpy()
        if found.shape != (len(batch.pairs),) or not np.isfinite(found).all():
            raise RecordingError(
                f"{self.measure.name} gave {found.tolist()} for {len(batch.pairs)} pairs; a "
                "measure gives one finite number for each"
            )
        return found

    def rise(self, change: Change, router: int, kind: str) -> Float[np.ndarray, " N"]:
        found = []
        pairs = zip(self.batches, self.decisions, self._untouched, strict=True)
        for batch, decisions, untouched in pairs:
            tokens = batch.of_kind(kind)
            if change.variant != "forced" and not self._choose(decisions[router], change, tokens):
                found.append(np.zeros(len(untouched)))
                continue
            with changed(change, tokens, batch.for_image):
                found.append(self._measured(batch) - untouched)
        return np.concatenate(found)

    @staticmethod
    def _choose(decision: Decision, change: Change, tokens: Bool[torch.Tensor, " n"]) -> bool:
        mine = decision.choice[tokens.to(decision.choice.device)]
        return bool((mine == change.expert).any())

    def tokens(self, router: int, expert: int, kind: str) -> int:
        """Tokens of a kind that choose an expert; -1 where the router has no such expert."""
        if expert >= self.decisions[0][router].logits.shape[1]:
            return -1
        count = 0
        for batch, decisions in zip(self.batches, self.decisions, strict=True):
            choice = decisions[router].choice
            mine = choice[batch.of_kind(kind).to(choice.device)]
            count += int((mine == expert).any(dim=-1).sum())
        return count

    def question(self, kinds: Sequence[str]) -> str:
        digest = hashlib.sha256(repr((self.measure.name, *kinds, self.baseline.tolist())).encode())
        for batch in self.batches:
            for prompt, pictures in zip(batch.prompts, batch.pictures, strict=True):
                digest.update(repr(prompt).encode())
                for picture in pictures:
                    digest.update(picture.content)
        return digest.hexdigest()


def _begun(work: _Work, run: Run, variant: Variant, kinds: Sequence[str]) -> Effects:
    """What the run has of these measurements, or none of them yet."""
    question = work.question(kinds)
    try:
        before = run.effects(variant)
        if str(before.question) == question:
            return dataclasses.replace(before, rise=before.rise.copy())
    except RunError:
        pass  # there is none, or it cannot be read and is made anew
    first = work.decisions[0]
    experts = max(decision.logits.shape[1] for decision in first)
    shape = (len(first), experts, len(kinds))
    tokens = np.array(
        [
            [[work.tokens(at, e, k) for k in kinds] for e in range(experts)]
            for at in range(shape[0])
        ],
        np.int64,
    )
    chance = work.measure.chance
    return Effects(
        question=np.array(question),
        measure=np.array(work.measure.name),
        unit=np.array(work.measure.unit),
        chance=np.array(np.nan if chance is None else chance(work.vocabulary)),
        variant=np.array(variant),
        layers=np.array(numbers(work.routers), np.int32),
        kinds=np.array(kinds, np.str_),
        baseline=work.baseline,
        rise=np.full((*shape, len(work.baseline)), np.nan, np.float32),
        tokens=tokens,
    )
