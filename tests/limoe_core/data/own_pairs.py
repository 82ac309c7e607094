"""Small folders of pictures, as users have them, in every kind that can be imported."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COUNT = 12


def picture(seed: int, kind: str = "PNG") -> bytes:
    """A picture of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def captions() -> list[str]:
    return [f"thing number {i}" for i in range(COUNT)]


def write_pictures(folder: Path, names: Sequence[str]) -> None:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))


def names() -> list[str]:
    return [f"{i:02}.png" for i in range(COUNT)]


def table(folder: Path, rows: Sequence[Sequence[str]], name: str = "metadata.csv") -> Path:
    """The pictures of `names`, and a table whose first row are its columns."""
    write_pictures(folder, names())
    text = "".join(",".join(row) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def csv_folder(folder: Path) -> Path:
    rows = [("file_name", "text"), *zip(names(), captions(), strict=True)]
    return table(folder, rows)


def json_lines_folder(folder: Path) -> Path:
    write_pictures(folder, names())
    rows = [{"file_name": n, "text": t} for n, t in zip(names(), captions(), strict=True)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def texts_folder(folder: Path) -> Path:
    write_pictures(folder, names())
    for name, text in zip(names(), captions(), strict=True):
        (folder / name).with_suffix(".txt").write_text(text + "\n")
    return folder


def tar_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for shard in range(2):
        with tarfile.open(folder / f"{shard:04}.tar", "w") as tar:
            for i in range(shard, COUNT, 2):
                add(tar, f"{i:04}.png", picture(i))
                add(tar, f"{i:04}.txt", captions()[i].encode())
    return folder


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def parquet_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = [
        {"image": {"bytes": picture(i), "path": name}, "text": text}
        for i, (name, text) in enumerate(zip(names(), captions(), strict=True))
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data.parquet")
    return folder


def plain_parquet_file(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = {"png": [picture(i) for i in range(COUNT)], "caption": captions()}
    pq.write_table(pa.table(rows), folder / "pairs.parquet")
    return folder / "pairs.parquet"


CLASSES = ("owl", "red_fox")


def classes_folder(folder: Path, above: Mapping[str, Any] | None = None) -> Path:
    """Pictures of two classes; `above` names the folders of splits, if there are any."""
    seed = 0
    for split in above or ("",):
        for name in CLASSES:
            for i in range(COUNT // 2):
                path = folder / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(seed))
                seed += 1
    return folder


#: All with the same pictures and captions.
CAPTIONED = {
    "csv": csv_folder,
    "json lines": json_lines_folder,
    "texts beside": texts_folder,
    "tars": tar_folder,
    "parquet": parquet_folder,
    "plain parquet": plain_parquet_file,
}
