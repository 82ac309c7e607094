"""Icons drawn by several processes.

The renderer keeps Python's interpreter lock, so threads would wait for one another. Each process
runs this module: it reads lines, each a JSON list of SVGs, and answers each SVG with the length of
a PNG in four bytes, 0 for a blank drawing, then its thumbnail and the PNG.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import IO

import numpy as np
from jaxtyping import UInt8

from limoe_core.config import ConfigError
from limoe_core.data.iconify import draw
from limoe_core.data.icons.copies import LENGTH, thumbnail
from limoe_core.data.pairs import SIDE
from limoe_core.data.pictures.opening import open_picture

#: A PNG and its thumbnail; None for a drawing that is blank or no SVG.
Drawing = tuple[bytes, UInt8[np.ndarray, " length"]] | None

_AT_ONCE = 32


class Artists:
    """Processes that draw; see `artists`."""

    def __init__(
        self, processes: Sequence[subprocess.Popen[bytes]], threads: ThreadPoolExecutor
    ) -> None:
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in processes:
            self._idle.put(process)
        self._threads = threads

    def draw(self, svgs: Sequence[str]) -> Iterator[Drawing]:
        """Drawings of SVGs, in their order.

        Raises:
          ConfigError: a process ended.
        """
        parts = [svgs[start : start + _AT_ONCE] for start in range(0, len(svgs), _AT_ONCE)]
        for drawings in self._threads.map(self._ask, parts):
            yield from drawings

    def _ask(self, svgs: Sequence[str]) -> list[Drawing]:
        process = self._idle.get()
        try:
            return _answers(process, svgs)
        except (OSError, EOFError) as error:
            raise ConfigError(
                "a process that draws icons ended; the machine may be short of memory. Build the "
                "set again"
            ) from error
        finally:
            self._idle.put(process)


@contextmanager
def artists(count: int | None = None) -> Iterator[Artists]:
    """Processes that draw, ended afterwards.

    Args:
      count: how many; by default one for each core that this process may use, eight at most.
    """
    count = count or min(8, len(os.sched_getaffinity(0)))
    with ExitStack() as stack:
        processes = [stack.enter_context(_process()) for _ in range(count)]
        threads = ThreadPoolExecutor(count)
        stack.callback(threads.shutdown, cancel_futures=True)
        yield Artists(processes, threads)


@contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answers(process: subprocess.Popen[bytes], svgs: Sequence[str]) -> list[Drawing]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(svgs).encode() + b"\n")
    process.stdin.flush()
    return [_answer(process.stdout) for _ in svgs]


def _answer(stream: IO[bytes]) -> Drawing:
    length = int.from_bytes(_exactly(stream, 4), "little")
    if not length:
        return None
    seen = np.frombuffer(_exactly(stream, LENGTH), np.uint8)
    return _exactly(stream, length), seen


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


def _drawing(svg: str) -> Drawing:
    try:
        png = draw(svg, SIDE)
    except ValueError:
        return None
    seen = thumbnail(open_picture(png)[0].convert("RGBA"))
    return None if seen is None else (png, seen)


def _main() -> None:
    for line in sys.stdin.buffer:
        for svg in json.loads(line):
            png, seen = _drawing(svg) or (b"", np.zeros(0, np.uint8))
            sys.stdout.buffer.write(len(png).to_bytes(4, "little") + seen.tobytes() + png)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
