"""Data that is not what a run was trained on, given to `--resume` and to `evaluate`.

A resumed run must refuse it and stay as it was, byte for byte; an evaluation must leave the results
of the run's own data as they are. The same data in another place must be taken by both.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.resilience.record import Record
from limoe_core.data.preprocess import open_picture
from limoe_core.runs import Run

Row = dict[str, Any]
Rows = dict[str, list[Row]]
#: What is done to a set, and whether the run may still use it.
Change = tuple[str, Callable[[Rows], Rows], bool]

_CLASSES = ("circle", "square", "cross", "stripe", "frame", "dot", "wedge", "wave")
_SETTINGS = (
    *("--preset", "debug", "--train.steps", "4", "--train.checkpoint-every", "2"),
    *("--train.evaluate-every", "0", "--train.probe-pairs", "4", "--data.batch-size", "4"),
    *("--model.vocab-size", "285", "--data.name", "attacked_shapes"),
    *("--data.config", "auto"),
)


def run() -> list[Record]:
    """Train on a small set, and try each change of it."""
    resumed: list[str] = []
    evaluated: list[str] = []
    tried = 0
    every = changes()
    with tempfile.TemporaryDirectory(prefix="changes-") as name:
        folder = Path(name)
        write(folder / "data", rows())
        _must("train", "--run", folder / "run", *_SETTINGS, "--data.dir", folder / "data")
        asked = ("--tasks", "validation", "--run")
        _must("evaluate", *asked, folder / "run")
        for place, (told, change, same) in enumerate(tqdm(every, unit=" changes")):
            copy, data = folder / f"copy{place}", folder / f"data{place}"
            shutil.copytree(folder / "run", copy)
            content = change(rows())
            write(data, content)
            if trouble := _resumed(copy, data, same):
                resumed.append(f"{told}: {trouble}")
            if content["validation"] != rows()["validation"]:
                tried += 1
                if trouble := _evaluated(copy, data):
                    evaluated.append(f"{told}: {trouble}")
            shutil.rmtree(copy)
    others = sum(not same for _, _, same in every)
    return [
        Record.of(
            "resumed on other data",
            len(every),
            resumed,
            f"{others} changes that must be refused, of pixels, letters, records and splits, and "
            f"{len(every) - others} that leave the content as it is",
        ),
        Record.of(
            "evaluated on other data",
            tried,
            evaluated,
            "the results of the run's own data must stay as they are",
        ),
    ]


def rows() -> Rows:
    """The set as the run was trained on it: captioned pictures, their captions all different."""
    return {
        split: [
            {"image": _picture(kind, number, first), "caption": f"a {kind}, number {number}"}
            for kind in _CLASSES
            for number in range(first, first + count)
        ]
        for split, first, count in (("train", 0, 3), ("validation", 9, 1))
    }


def changes() -> list[Change]:
    """What may be done to the set."""
    found: list[Change] = [
        ("another place", lambda all_rows: all_rows, True),
        # Other batches would follow.
        ("records in another order", _each(lambda split: split[::-1]), False),
    ]
    for split in ("train", "validation"):
        for place in (0, -1):
            where = f"{split}, record {place}"
            changed: dict[str, Callable[[Rows], Rows]] = {
                "a pixel": _one(split, place, _pixel),
                "another picture": _one(split, place, _repainted),
                "a letter": _one(split, place, _letter),
                "no caption": _one(split, place, _silent),
                "removed": _in(split, partial(_without, place=place)),
                "twice": _in(split, partial(_doubled, place=place)),
            }
            found += [(f"{where}: {what}", change, False) for what, change in changed.items()]
        found += [
            (f"{split}: captions of two records swapped", _in(split, _swapped), False),
            (f"{split}: half of it", _in(split, lambda found: found[::2]), False),
        ]
    found.append(("splits swapped", _exchanged, False))
    return found


def write(folder: Path, content: Mapping[str, Sequence[Row]]) -> None:
    """Prepares the set as TFDS does, in ArrayRecord."""
    import tensorflow_datasets as tfds

    class AttackedShapes(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
        """Shapes with captions."""

        VERSION = tfds.core.Version("1.0.0")
        name = "attacked_shapes"
        pkg_dir_path = Path(__file__).parent

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "caption": tfds.features.Text(),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            return {split: self._generate_examples(split) for split in content}

        def _generate_examples(self, split: str) -> Iterator[tuple[str, Row]]:
            for place, row in enumerate(content[split]):
                yield str(place), {**row, "image": io.BytesIO(row["image"])}

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        AttackedShapes(data_dir=folder, file_format="array_record").download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )


# ---- what is tried


def _resumed(copy: Path, data: Path, same: bool) -> str:
    before = _content(copy)
    status, told = _command(
        "train", "--run", copy, "--resume", "--data.dir", data, "--train.steps", "6"
    )
    if same:
        newest = max(Run.open(copy).steps())
        return "" if (status, newest) == (0, 6) else f"not taken ({status}): {told[-300:]}"
    if status == 0:
        return "taken without a word"
    if "Traceback" in told or "data" not in told:
        return f"no sentence: {told[-300:]}"
    return "" if _content(copy) == before else "the run was changed"


def _evaluated(copy: Path, data: Path) -> str:
    before = Run.open(copy).evaluations()
    kept = Run.open(copy).path_of("predictions", 0, "any").parent
    answers = {path: path.read_bytes() for path in kept.glob("*")}
    _, told = _command(
        "evaluate", "--run", copy, "--tasks", "validation", "--data.dir", data, "--seed", "1"
    )
    if "Traceback" in told:
        return f"no sentence: {told[-300:]}"
    after = Run.open(copy).evaluations()
    changed = [task for task, results in before.items() if after.get(task) != results]
    changed += [path.name for path, content in answers.items() if path.read_bytes() != content]
    return f"replaced {', '.join(changed)}" if changed else ""


def _command(module: str, *arguments: object) -> tuple[int, str]:
    """Status of a command of the project, run in this process, and what it printed."""
    import importlib

    told = io.StringIO()
    main = importlib.import_module(f"limoe_core.{module}").main
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            status = main([str(each) for each in arguments])
        except SystemExit as left:
            status = int(left.code or 0)
    return status, told.getvalue()


def _must(module: str, *arguments: object) -> None:
    status, told = _command(module, *arguments)
    if status:
        raise RuntimeError(f"{module} failed: {told[-2000:]}")


def _content(folder: Path) -> dict[str, str]:
    """A digest of each file by its place."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


# ---- pictures, and changes of them


def _picture(kind: str, number: int, first: int) -> bytes:
    rng = np.random.default_rng((_CLASSES.index(kind), number, first))
    pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
    return _encoded(Image.fromarray(pixels))


def _encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _pixel(row: Row) -> Row:
    pixels = np.array(open_picture(row["image"])[0])
    pixels[0, 0, 0] ^= 1
    return {**row, "image": _encoded(Image.fromarray(pixels))}


def _repainted(row: Row) -> Row:
    return {**row, "image": _encoded(Image.new("RGB", (16, 16), "red"))}


def _letter(row: Row) -> Row:
    return {**row, "caption": row["caption"] + "s"}


def _silent(row: Row) -> Row:
    return {**row, "caption": ""}


def _doubled(found: list[Row], place: int) -> list[Row]:
    return [*found, found[place]]


def _without(found: list[Row], place: int) -> list[Row]:
    kept = list(found)
    del kept[place]
    return kept


def _swapped(found: list[Row]) -> list[Row]:
    one, other, *rest = found
    return [
        {**one, "caption": other["caption"]},
        {**other, "caption": one["caption"]},
        *rest,
    ]


def _exchanged(all_rows: Rows) -> Rows:
    return {
        "train": all_rows["validation"] + all_rows["train"][:16],
        "validation": all_rows["train"],
    }


def _one(split: str, place: int, change: Callable[[Row], Row]) -> Callable[[Rows], Rows]:
    def changed(found: list[Row]) -> list[Row]:
        kept = list(found)
        kept[place] = change(kept[place])
        return kept

    return _in(split, changed)


def _in(split: str, change: Callable[[list[Row]], list[Row]]) -> Callable[[Rows], Rows]:
    return lambda all_rows: {**all_rows, split: change(all_rows[split])}


def _each(change: Callable[[list[Row]], list[Row]]) -> Callable[[Rows], Rows]:
    return lambda all_rows: {split: change(found) for split, found in all_rows.items()}
