"""How long a start takes on very many pairs, and how much memory."""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.measure import Line
from benchmarks.synthetic import imported, small_pngs
from limoe_core.config import DataConfig
from limoe_core.data.batches import training_batches
from limoe_core.data.captions import CaptionCounts
from limoe_core.data.identity import short
from limoe_core.data.source import load_pairs
from limoe_core.presets import preset
from limoe_core.tokenizer import Tokenizer

_PICTURES, _TIMES = 20_000, 500


def run(pictures: int = _PICTURES, times: int = _TIMES) -> list[Line]:
    """Seconds until the first batch of pairs that were imported before, and memory at its most.

    Needs 1.5 GB of disk for ten million.
    """
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, or its memory would count.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            config = pool.submit(_made, Path(folder), pictures, times).result()
        settings = preset("emoji-tiny")
        settings = dataclasses.replace(
            settings, data=dataclasses.replace(config, batch_size=settings.data.batch_size)
        )
        spent, began = time.process_time(), time.perf_counter()
        pairs = load_pairs(settings.data, "train", progress=False)
        digest = pairs.digest
        known = time.process_time() - spent
        tokenizer = Tokenizer.train(pairs.captions(), settings.model.vocab_size)
        CaptionCounts.of(pairs, tokenizer, settings.model.text_length)
        next(training_batches(pairs, tokenizer, settings))
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    name = f"first batch of {pictures * times:,} pairs"
    how = (
        f"{pictures:,} PNGs in {times} links to one file, captions all different; "
        f"{spent:.0f} s of a core, of which {spent - known:.0f} s after the pairs were known, "
        f"most of it for the tokenizer; content {short(digest)}"
    )
    return [
        Line(name=name, value=seconds, unit="s", goal=60, how=how),
        Line(name=f"memory of the {name}", value=memory / 1e9, unit="GB", goal=2, how=how),
    ]


def _made(folder: Path, pictures: int, times: int) -> DataConfig:
    return imported(folder, small_pngs(pictures), times)
