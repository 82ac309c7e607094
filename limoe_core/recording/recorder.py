"""Recording what the routers of a transformers model decide about pairs, into a run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from limoe_core.recording.assembling import Assembler
from limoe_core.recording.batches import Batch, Batcher
from limoe_core.recording.decisions import Decision
from limoe_core.recording.errors import RecordingError
from limoe_core.recording.forward import forward
from limoe_core.recording.listening import Listener
from limoe_core.recording.prompts import RecordedPair, Template
from limoe_core.recording.routers import find_routers
from limoe_core.recording.scoring import found_rule
from limoe_core.recording.tokens import knows_places
from limoe_core.runs.directory import Run
from limoe_core.runs.recording import TraceWriter
from limoe_core.trace import RoutingTrace
from limoe_core.trace.parts import UNKNOWN

#: Pairs are written to the run when there are so many, or after so many seconds.
_PAIRS, _SECONDS = 16, 20.0


def record(
    model: Any,
    processor: Any,
    pairs: Iterable[RecordedPair],
    *,
    run: str | Path,
    batch: int = 1,
    prompt: str | None = None,
    scores: bool = False,
    name: str | None = None,
    revision: str = "",
    data: str | None = None,
    progress: Callable[[int], None] | None = None,
    notes: list[str] | None = None,
) -> Run:
    """Records the routing of pairs by a model, in a run that the dashboard opens.

    Killed at any moment, the run is whole with the pairs so far. A call with the same pairs goes on
    from there. No more than a few batches are in memory at one time.

    Args:
      model: a `transformers.PreTrainedModel` of a family with experts, in evaluation mode.
      processor: its processor, or its tokenizer if it takes no pictures.
      pairs: in an order that is the same in every call.
      run: folder of the run; it is made with the first pairs.
      batch: pairs in one forward pass.
      prompt: words with {image} and {text} around a pair; by default the model's chat template,
        with the pictures as what the user sends and the text as the answer, or the text alone for a
        tokenizer.
      scores: whether to keep the score of every expert, which takes many times the room.
      name: of the model, for the reader; by default what it was loaded from.
      revision: of the model, for the reader.
      data: what the pairs are of, for the reader.
      progress: called with the number of pairs recorded so far.
      notes: sentences about what could not be recorded are added to it.

    Raises:
      RecordingError: the model or a pair cannot be used, or there are no pairs.
      RunError: something else is at `run`, or it cannot be written.
    """
    template = Template(processor, prompt)
    batcher = Batcher(model, processor, template, batch)
    routers = find_routers(model)
    listed = iter(pairs)
    first = list(itertools.islice(listed, batch))
    if not first:
        raise RecordingError("there are no pairs to record")
    made_by = _made_by(model, template, name, revision)
    with TraceWriter(run, data=data) as writer, Listener(routers) as listener:
        hear = _Hearing(model, batcher, listener)
        # By the first pairs in every call, so that one that goes on finds the same.
        batches = list(batcher(first))
        heard = [hear(each) for each in batches]
        rule = found_rule(list(itertools.chain(*heard)), routers * len(heard))
        assembler = Assembler(routers, rule, list(first[0].about), made_by, scores)
        told = [] if notes is None else notes
        told += _unknown(batcher, batches, rule.name, scores)
        done = writer.pairs
        begun = [assembler(each, found) for each, found in zip(batches, heard, strict=True)]
        _require_same(writer, begun)
        traces = _of_pairs(begun, done)
        rest = itertools.islice(listed, max(0, done - len(first)), None)
        further = (assembler(each, hear(each)) for each in batcher(rest))
        for trace in _together(itertools.chain(traces, further)):
            writer.add(trace)
            if progress is not None:
                progress(writer.pairs)
        assert writer.run is not None
        return Run.open(writer.path)


def _require_same(writer: TraceWriter, begun: Sequence[RoutingTrace]) -> None:
    """Refuses to go on with a run of another model, prompt or pairs."""
    for trace in begun:
        writer.check(trace)
    if writer.run is None:
        return
    first = RoutingTrace.joined(begun).captions
    theirs = writer.run.probe(writer.step).captions[: len(first)]
    if first[: len(theirs)].tolist() != theirs.tolist():
        raise RecordingError(f"{writer.path} has other pairs; choose another name for the run")


class _Hearing:
    """Forward passes, and what routers decided in them."""

    def __init__(self, model: Any, batcher: Batcher, listener: Listener) -> None:
        self._model, self._batcher, self._listener = model, batcher, listener

    def __call__(self, batch: Batch) -> list[Decision]:
        with torch.inference_mode():
            forward(self._model, self._batcher.on_device(batch))
            return self._listener.take(batch.for_image)


def _of_pairs(traces: Iterable[RoutingTrace], start: int) -> Iterator[RoutingTrace]:
    """The traces without the first pairs, which are in the run already."""
    for trace in traces:
        if start < trace.num_pairs:
            yield trace.select(list(range(start, trace.num_pairs)))
        start = max(0, start - trace.num_pairs)


def _together(traces: Iterator[RoutingTrace]) -> Iterator[RoutingTrace]:
    """Some traces at a time as one, so that the run has no file for each pair."""
    waiting: list[RoutingTrace] = []
    since = time.monotonic()
    for trace in traces:
        waiting.append(trace)
        many = sum(each.num_pairs for each in waiting) >= _PAIRS
        if many or time.monotonic() - since > _SECONDS:
            yield RoutingTrace.joined(waiting)
            waiting, since = [], time.monotonic()
    if waiting:
        yield RoutingTrace.joined(waiting)


def _made_by(model: Any, template: Template, name: str | None, revision: str) -> Mapping[str, str]:
    import transformers

    config = model.config
    said = {
        "library": "transformers",
        "version": transformers.__version__,
        "model": name or config.name_or_path or type(model).__name__,
        "family": config.model_type,
        "revision": revision or getattr(config, "_commit_hash", None) or "",
        "dtype": str(model.dtype).removeprefix("torch."),
        "prompt": template.name,
    }
    return {key: value for key, value in said.items() if value}


def _unknown(batcher: Batcher, batches: Sequence[Batch], rule: str, scores: bool) -> Iterator[str]:
    """Sentences on what the recording leaves out."""
    if not knows_places(batcher.tokenizer):
        yield (
            "The tokenizer does not say where its pieces are in a text: all tokens but its own "
            "marks are taken for the pair's text, those of the prompt as well."
        )
    shown = [picture for each in batches for some in each.pictures for picture in some]
    if any(not picture.is_grid for picture in shown):
        yield (
            "The processor does not say which part of a picture a token is of: its image tokens "
            "are recorded without places."
        )
    if rule == UNKNOWN:
        yield (
            "How weights come of logits is none of the known rules"
            + (", so that no scores are kept: " if scores else ": ")
            + "choices and weights are recorded as the model makes them."
        )
