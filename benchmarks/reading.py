"""Pictures a second of the input pipeline, beside plain Grain and PyTorch's DataLoader.

All three read the same files and decode with the same function. Ours also chooses by a shuffle of
all pictures, draws captions, tokenizes and packs them, and marks what is no negative. Seconds of a
core are those that the process itself spent, so that other work on the machine counts little.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import grain
import numpy as np
from PIL import Image

from benchmarks.measure import Line
from benchmarks.synthetic import imported, small_pngs
from limoe_core.config import Config
from limoe_core.data.batches import BatchSource, training_batches
from limoe_core.data.pairs import SIDE, PairSet, stored_side
from limoe_core.data.preprocess import fit_square, open_picture
from limoe_core.data.source import load_pairs
from limoe_core.data.threads import work_alone
from limoe_core.presets import preset
from limoe_core.tokenizer import Tokenizer

#: Photographs a second that a B/16 of the paper takes on an H100.
_H100 = 2_700
_PICTURES, _TIMES, _BATCH = 512, 8, 128
_ROUNDS = 7
#: Readers with one and with two workers.
_TURNS = 3


class Case(NamedTuple):
    """Pictures of one kind."""

    name: str
    pictures: Callable[[int], list[bytes]]
    image_size: int


def photographs(count: int) -> list[bytes]:
    """JPEGs of 480×360 pixels, cut from the two photographs that scikit-learn brings."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        whole = Image.fromarray(load_sample_images().images[number % 2])
        left, top = rng.integers(0, (whole.width - 480, whole.height - 360)).tolist()
        out = io.BytesIO()
        whole.crop((left, top, left + 480, top + 360)).save(out, "JPEG", quality=90)
        found.append(out.getvalue())
    return found


CASES = (
    Case("72-pixel PNGs", small_pngs, 64),
    Case("JPEG photographs for 224 pixels", photographs, 224),
)


def run(
    cases: Sequence[Case] = CASES,
    rounds: int = _ROUNDS,
    pictures: int = _PICTURES,
    turns: int = _TURNS,
) -> list[Line]:
    """Lines of each case."""
    work_alone()
    found: list[Line] = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            found += _lines(case, Path(folder), rounds, pictures, turns)
    return found


def _lines(case: Case, folder: Path, rounds: int, pictures: int, turns: int) -> list[Line]:
    config = preset("debug")
    data = imported(folder, case.pictures(pictures), _TIMES)
    data = dataclasses.replace(data, batch_size=min(_BATCH, pictures))
    model = dataclasses.replace(config.model, image_size=case.image_size)
    config = dataclasses.replace(config, data=data, model=model)
    side = stored_side(case.image_size)
    pairs = load_pairs(data, "train", progress=False, side=side)
    files = sorted(map(str, folder.rglob("*.array_record-*")))
    tokenizer = Tokenizer.train(pairs.captions(1000), config.model.vocab_size, at_most=True)
    source = BatchSource(pairs, tokenizer, config)
    rivals: dict[str, Callable[[int], Any]] = {
        "ours": source.__getitem__,
        "plain Grain": _grain(files, side, data.batch_size),
    }
    if importlib.util.find_spec("torch") is not None:
        rivals["PyTorch's DataLoader"] = _torch(files, side, data.batch_size)
    else:
        print("PyTorch is not installed (pip install torch), so its DataLoader is not measured")
    rates = _rates(rivals, rounds, data.batch_size)
    ours = statistics.median(rates["ours"])
    how = f"{side} × {side}, batches of {data.batch_size}; medians of {rounds} batches in turn"
    lines = [
        Line(name=f"{case.name}: pictures of a core", value=ours, unit="/s", how=how),
        *(
            Line(
                name=f"{case.name}: ours ÷ {name}",
                value=statistics.median(np.divide(rates["ours"], theirs).tolist()),
                goal=1.0,
                bound="at least",
                how=f"{how}; {statistics.median(theirs):,.0f} pictures a second of {name}",
            )
            for name, theirs in rates.items()
            if name != "ours"
        ),
        _scaling(case.name, pairs, tokenizer, config, rounds, turns),
    ]
    if side > SIDE:
        lines.append(
            Line(
                name=f"{case.name}: cores that keep an H100 busy",
                value=_H100 / ours,
                how=f"{_H100:,} a second for B/16 ÷ those of a core here",
            )
        )
    return lines


def _rates(
    rivals: dict[str, Callable[[int], Any]], rounds: int, batch: int
) -> dict[str, list[float]]:
    """Pictures a second of this process's time, of each round; rivals take turns."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(rounds + 1):
        for name, read in rivals.items():
            start = time.process_time()
            read(number)
            if number:  # the first opens files
                found[name].append(batch / (time.process_time() - start))
    return found


def _scaling(
    name: str, pairs: PairSet, tokenizer: Tokenizer, config: Config, rounds: int, turns: int
) -> Line:
    """What a second worker brings, by the clock: the best of some turns, in the others something
    else had the cores."""
    best = {1: 0.0, 2: 0.0}
    batches = 2 * rounds
    for _ in range(turns):
        for workers in best:
            with closing(training_batches(pairs, tokenizer, config, None, workers)) as reader:
                for _ in range(4 * workers):  # those that were made while workers started
                    next(reader)
                start = time.perf_counter()
                for _ in range(batches):
                    next(reader)
                best[workers] = max(best[workers], batches / (time.perf_counter() - start))
    return Line(
        name=f"{name}: two workers ÷ one",
        value=best[2] / best[1],
        how=f"the best of {turns} turns of {batches} batches each, by the clock",
    )


def _decoded(record: bytes, side: int) -> np.ndarray:
    """A picture of a record, as plainly as it can be read."""
    from tensorflow_datasets.proto import tf_example_pb2

    example = tf_example_pb2.Example.FromString(record)
    encoded = example.features.feature["image"].bytes_list.value[0]
    return fit_square(open_picture(encoded, at_least=2 * side)[0], side)


def _grain(files: list[str], side: int, batch: int) -> Callable[[int], Any]:
    source = grain.sources.ArrayRecordDataSource(files)
    pipeline = (
        grain.MapDataset.source(source)
        .shuffle(seed=0)
        .map(lambda record: _decoded(record, side))
        .batch(batch)
    )
    return pipeline.__getitem__


def _torch(files: list[str], side: int, batch: int) -> Callable[[int], Any]:
    import torch

    source = grain.sources.ArrayRecordDataSource(files)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(source)

        def __getitem__(self, place: int) -> np.ndarray:
            return _decoded(source[place], side)

        def __getitems__(self, places: list[int]) -> list[np.ndarray]:
            return [_decoded(record, side) for record in source.__getitems__(places)]

    batches = iter(torch.utils.data.DataLoader(Pictures(), batch, shuffle=True))
    return lambda _: next(batches)
