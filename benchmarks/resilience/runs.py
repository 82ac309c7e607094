"""Run directories with damaged files, opened by all their readers."""

from __future__ import annotations

import functools
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.resilience.readers import LostError, Reader
from benchmarks.resilience.record import Record

_Mutation = Callable[[Path, random.Random], None]
#: Seconds that a reader may take, and MB that it may grow by.
_SECONDS = 20.0
_MEGABYTES = 1500


def run(source: Path, cases: int = 1000, seed: int = 0) -> list[Record]:
    """Read `cases` damaged copies of a run: each must give its contents or a clear error.

    Args:
      source: a run with parameters, probes, metrics and evaluations; it is not changed.

    Raises:
      ValueError: `source` itself cannot be read.
    """
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="damaged-") as name, Reader() as reader:
        outcome, *_ = reader.ask(read, source)
        if outcome != "read":
            raise ValueError(f"{source} cannot be read even before it is damaged: {outcome}")
        for case in range(cases):
            path = Path(name) / "run"
            told = damage(source, path, seed + case)
            try:
                outcome, seconds, megabytes = reader.ask(read, path)
            except LostError as error:
                failures.append(f"{told}: {error}")
                continue
            slowest = max(slowest, seconds)
            outcomes[outcome.split(":")[0]] += 1
            if outcome.startswith("unclear"):
                failures.append(f"{told}: {outcome}")
            elif (seconds > _SECONDS and case) or megabytes > _MEGABYTES:
                failures.append(f"{told}: {seconds:.0f} s, {megabytes:.0f} MB more")
    how = (
        f"copies of a run with one to three damages each (seeds {seed} to {seed + cases - 1}), "
        f"opened, listed, restored and run on a text: {dict(sorted(outcomes.items()))}; slowest "
        f"{slowest:.1f} s"
    )
    return [Record.of("damaged runs read", cases, failures, how)]


def damage(source: Path, path: Path, seed: int) -> str:
    """Copy `source` to `path` with one to three damages; return their description."""
    draw = random.Random(seed)
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, path)
    told = []
    for _ in range(draw.randint(1, 3)):
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if not files:
            break
        file = draw.choice(files)
        mutation = draw.choice(_MUTATIONS)
        mutation(file, draw)
        told.append(f"{mutation.__name__.strip('_')} {file.relative_to(path)}")
    return f"seed {seed}, {', '.join(told)}"


def read(path: Path) -> tuple[str, float, float]:
    """Use the run as every reader does; return the outcome, seconds and MB added."""
    import limoe_core
    from limoe_core.config import ConfigError
    from limoe_core.runs import Run, RunError, list_runs

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    errors: list[str] = []
    run: Any = None

    def attempt(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (RunError, ConfigError) as error:
            if not str(error).strip():
                errors.append("unclear: an error without a sentence")
            errors.append("refused")
        except Exception as error:
            errors.append(f"unclear: {type(error).__name__}: {str(error)[:200]}")
        return None

    attempt(lambda: list_runs(path.parent))
    run = attempt(lambda: Run.open(path))
    if run is not None:
        attempt(run.metrics)
        attempt(run.evaluations)
        attempt(run.probe_pictures)
        for step in attempt(run.probe_steps) or []:
            attempt(functools.partial(run.probe, step))
        model = attempt(lambda: limoe_core.load(path))
        if model is not None:
            attempt(lambda: model.encode_texts(["a red apple"]))
    seconds = time.perf_counter() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    unclear = [error for error in errors if error.startswith("unclear")]
    outcome = unclear[0] if unclear else ("refused in part or whole" if errors else "read")
    return outcome, seconds, megabytes


def _flip(file: Path, draw: random.Random) -> None:
    data = bytearray(file.read_bytes())
    for _ in range(draw.choice((1, 1, 8, 64))):
        if data:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)


def _cut(file: Path, draw: random.Random) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: draw.randrange(len(data) + 1)])


def _empty(file: Path, draw: random.Random) -> None:
    file.write_bytes(b"")


def _remove(file: Path, draw: random.Random) -> None:
    file.unlink()


def _noise(file: Path, draw: random.Random) -> None:
    file.write_bytes(draw.randbytes(draw.randrange(1, 5000)))


def _splice(file: Path, draw: random.Random) -> None:
    data = file.read_bytes()
    place = draw.randrange(len(data) + 1)
    file.write_bytes(data[:place] + draw.randbytes(draw.randrange(1, 300)) + data[place:])


def _swap(file: Path, draw: random.Random) -> None:
    others = [other for other in file.parent.iterdir() if other.is_file() and other != file]
    if others:
        shutil.copyfile(draw.choice(sorted(others)), file)


def _folder(file: Path, draw: random.Random) -> None:
    file.unlink()
    file.mkdir()


def _number(file: Path, draw: random.Random) -> None:
    """Replace a number in a text file with another."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return _flip(file, draw)
    digits = [place for place, letter in enumerate(text) if letter.isdigit()]
    if digits:
        place = draw.choice(digits)
        strange = draw.choice(("-1", "0", "1e308", "NaN", '"x"', "null", "99999999999999", "[]"))
        file.write_text(text[:place] + strange + text[place + 1 :], encoding="utf-8")
    return None


def _nest(file: Path, draw: random.Random) -> None:
    file.write_text("[" * 200_000, encoding="utf-8")


_MUTATIONS: tuple[_Mutation, ...] = (
    _flip,
    _flip,
    _cut,
    _empty,
    _remove,
    _noise,
    _splice,
    _swap,
    _folder,
    _number,
    _number,
    _nest,
)
