"""Imported pairs of any number, made in a moment: few pictures, which many records share.

Files of records are links to one file, so reading them is as it would be, but for the disk: what is
read has always been read before. Captions are all different and lie in the same files as those of a
real import.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow_datasets as tfds
from PIL import Image

from limoe_core.config import DataConfig
from limoe_core.data.importing.builder import PICTURES, Imported
from limoe_core.data.importing.records import Caption, Record
from limoe_core.data.importing.report import Report
from limoe_core.data.importing.split_files import (
    captions_file,
    pictures_file,
    write_captions_of,
    write_pictures,
)
from limoe_core.data.importing.version import VERSION

NAME = "synthetic"
#: Of the captions' words.
_WORDS = 20_000
_VALIDATION = 20


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A source of pictures that are encoded already."""

    pictures: list[bytes]
    kind: str = "made up"

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.pictures)

    def records(self) -> Iterator[Record]:
        """All of them, each with a caption."""
        for number, picture in enumerate(self.pictures):
            text = Caption(f"picture {number}", "en")
            yield Record(f"{number}.png", picture, (text,))


def small_pngs(count: int, side: int = 72) -> list[bytes]:
    """Different smooth pictures, as PNGs."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        few = rng.integers(0, 255, (5, 5, 3)).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(few).resize((side, side), Image.Resampling.BICUBIC).save(out, "PNG")
        found.append(out.getvalue())
    return found


def imported(folder: Path, pictures: list[bytes], times: int = 1) -> DataConfig:
    """Writes a set in which each of the pictures comes so many times, with a caption of its own.

    All are of the split train, and some are of validation too.
    """
    builder = Imported(
        config=tfds.core.BuilderConfig(name=NAME, version=VERSION),
        data_dir=folder,
        sources=[Encoded(pictures)],
        report=Report(source="made up", kinds=["made up"], options={}, listing=NAME),
        progress=False,
    )
    builder.download_and_prepare()
    place = Path(builder.data_dir)
    report = Report.read(place)
    assert report is not None
    once = report.pictures
    _multiply(place, times)
    counts = {"train": once * times, "validation": min(_VALIDATION, once)}
    for split, count in counts.items():
        _write_split(place, split, count)
    dataclasses.replace(report, splits=counts, pictures=once * times).write(place)
    return DataConfig(name=Imported.name, config=NAME, dir=str(folder))


def _multiply(place: Path, times: int) -> None:
    """Links the file of records so often, as so many files."""
    (only,) = place.glob(f"imported-{PICTURES}.*")
    source = only.rename(place / "records")
    for number in range(times):
        name = f"imported-{PICTURES}.array_record-{number:05d}"
        os.link(source, place / name)
    source.unlink()
    about = place / "dataset_info.json"
    info = json.loads(about.read_text(encoding="utf-8"))
    (split,) = info["splits"]
    split["shardLengths"] *= times
    split["numBytes"] = str(int(split["numBytes"]) * times)
    about.write_text(json.dumps(info), encoding="utf-8")


def _write_split(place: Path, split: str, count: int) -> None:
    rng = np.random.default_rng(0)
    number = np.arange(count)
    none = np.full(count, -1, np.int32)
    digest = pa.py_buffer(rng.bytes(16 * count))
    table = pa.table(
        {
            "record": number,
            "content": pa.Array.from_buffers(pa.binary(16), count, [None, digest]),
            "file": pa.array(number).cast(pa.large_string()),
            "label": none,
            "category": none,
        }
    )
    write_pictures(pictures_file(place, split), table, [])
    words = pa.array([f"w{word:x}" for word in rng.integers(0, 2**32, _WORDS)])
    drawn = [words.take(pa.array((rng.random(count) ** 3 * _WORDS).astype(int))) for _ in range(6)]
    texts = pa.compute.binary_join_element_wise(
        *drawn, pa.array(number).cast(pa.string()), " "
    ).cast(pa.large_string())
    write_captions_of(
        captions_file(place, split), count, number, np.zeros(count, np.int32), ["en"], texts
    )
