"""What may lie in the place of a file or a folder: no file at all, or too much of one."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.resilience.hostile.cases import SECRET, Harm, clear, put

_GIB = 2**30


def outside_of(folder: Path) -> Path:
    """A folder beside the folder of runs, with what links lead to."""
    place = folder.with_name(f"{folder.name}-outside")
    if not place.exists():
        (place / "deep").mkdir(parents=True)
        for name in ("secret", "secret.json", "secret.npz", "deep/secret"):
            (place / name).write_text(SECRET)
        os.mkfifo(place / "fifo")
    return place


def of_a_file(outside: Path) -> Iterator[Harm]:
    """What may lie in the place of any file of a run."""
    noise = random.Random(0).randbytes(4000)
    yield Harm("empty", "the file is empty", lambda path: put(path, b""))
    yield Harm("noise", "random bytes", lambda path: put(path, noise))
    yield Harm("half", "the second half is missing", _half)
    yield Harm("nested", "200,000 nested JSON lists", lambda path: put(path, "[" * 200_000))
    yield Harm("huge", "a sparse file of 4 GiB", lambda path: _sparse(path, 4 * _GIB))
    yield from _of_anything(outside)
    links: dict[str, Path | str] = {
        "link-out": outside / "secret",
        "link-out-json": outside / "secret.json",
        "link-to-fifo": outside / "fifo",
        "link-to-zeros": "/dev/zero",
        "link-up": "../../../../../../../../etc/passwd",
    }
    for name, target in links.items():
        yield Harm(name, f"a link to {target}", partial(_link, target))


def of_a_folder(outside: Path) -> Iterator[Harm]:
    """What may lie in the place of any folder of a run, or of the run itself."""
    yield Harm("file", "a file in the place of a folder", lambda path: put(path, "a file"))
    yield Harm("empty", "the folder is empty", _empty)
    yield Harm("crowded", "3,000 further entries", _crowded)
    yield Harm("deep", "200 nested folders", _deep)
    yield Harm("odd-names", "names that are no numbers, or numbers of 200 digits", _odd_names)
    yield from _of_anything(outside)
    links = {"link-out": outside, "link-root": Path("/"), "link-proc": Path("/proc/self")}
    for name, target in links.items():
        yield Harm(name, f"a link to {target}", partial(_link, target))


def _of_anything(outside: Path) -> Iterator[Harm]:
    yield Harm("missing", "it is missing", clear)
    yield Harm("fifo", "a FIFO, which nobody writes to", _fifo)
    yield Harm("socket", "a socket", _socket)
    yield Harm("closed", "nobody may read it", _close)
    yield Harm("link-loop", "a link to itself", lambda path: _link(path.name, path))
    yield Harm("link-nowhere", "a link to nothing", lambda path: _link(outside / "no", path))


def _empty(path: Path) -> None:
    clear(path)
    path.mkdir()


def _half(path: Path) -> None:
    content = path.read_bytes()
    put(path, content[: len(content) // 2])


def _sparse(path: Path, size: int) -> None:
    put(path, b"")
    os.truncate(path, size)


def _fifo(path: Path) -> None:
    clear(path)
    os.mkfifo(path)


def _socket(path: Path) -> None:
    clear(path)
    # By its short name, since the whole path may be longer than a socket's address can be.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:  # not Linux, or a name too long for an address all the same
        os.mkfifo(path)
    finally:
        os.close(folder)


def _close(path: Path) -> None:
    if path.is_file():
        put(path, path.read_bytes())  # a file of its own, or its twins were closed as well
    path.chmod(0)


def _link(target: Path | str, path: Path) -> None:
    clear(path)
    path.symlink_to(target)


def _crowded(path: Path) -> None:
    path.mkdir(exist_ok=True)  # a run need not have every folder
    for number in range(3000):
        (path / f"{10_000_000 + number}.npz").touch()


def _deep(path: Path) -> None:
    path.joinpath(*["deeper"] * 200).mkdir(parents=True)


def _odd_names(path: Path) -> None:
    names = ("9" * 200, "٣", "-1", "1e3", "00", "two\nlines", "\u202egpj", " ", "x" * 200)
    for name in names:
        (path / name).mkdir(parents=True)
        (path / f"{name}.npz").touch()
