"""Damaged and hostile pictures for the function that decodes the dashboard's uploads.

Each must be read as a picture of the right shape or refused with a sentence, in bounded time and
memory.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from app.parts import pictures
from benchmarks.resilience import bombs, mutations, seeds
from benchmarks.resilience.memory import peak_mib, resident_mib
from benchmarks.resilience.record import Record
from limoe_core.data.preprocess import PictureError

#: Side of the model's input, in pixels.
SIZE = 64
#: Processor seconds and extra MiB that one file may take.
MOST_SECONDS, MOST_MEMORY = 10.0, 700.0


def run(count: int = 2000, seed: int = 0) -> list[Record]:
    """Try `count` mutated pictures, and the bombs."""
    return [mutated(count, seed), bombed()]


def trial(content: bytes) -> tuple[str, str | None]:
    """Outcome of one file, "read" or "refused", and what was wrong with it, if anything.

    Calls the function without its cache, which would answer a second time without decoding.
    """
    try:
        found = pictures.decode(content, SIZE)
    except PictureError as error:
        return "refused", None if _is_sentence(str(error)) else f"no sentence: {str(error)[:200]!r}"
    except Exception as error:  # whatever else comes out is what is looked for
        return "raised", f"{type(error).__name__}: {error}"[:300]
    pixels = found.pixels
    if pixels.shape != (SIZE, SIZE, 3) or pixels.dtype != np.float32:
        return "read", f"a picture of {pixels.shape} {pixels.dtype}"
    if not (np.isfinite(pixels).all() and np.abs(pixels).max() <= 1):
        return "read", "values beyond [-1, 1]"
    if not found.sharp.startswith("data:image/png;base64,"):
        return "read", "no picture for the page"
    return "read", None


def mutated(count: int, seed: int) -> Record:
    """Try `count` pictures, each damaged in one way or two."""
    whole = seeds.seeds(seed)
    names = list(whole)
    rng = np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, "")
    for name in names:  # loads every decoder, and shows that the seeds themselves are fine
        assert trial(whole[name]) == ("read", None), name
    before = resident_mib()
    for number in range(count):
        name = names[number % len(names)]
        mutate = mutations.MUTATIONS[int(rng.integers(0, len(mutations.MUTATIONS)))]
        content = mutate(rng, whole[name], whole)
        if rng.random() < 0.3:  # two kinds of damage at once
            second = mutations.MUTATIONS[int(rng.integers(0, len(mutations.MUTATIONS)))]
            content = second(rng, content, whole) if len(content) > 8 else content
        label = f"number {number}: {mutate.__name__} of {name}"
        started = time.process_time()
        outcome, wrong = trial(content)
        seconds = time.process_time() - started
        outcomes[outcome] += 1
        slowest = max(slowest, (seconds, label))
        if wrong or seconds > MOST_SECONDS:
            failures.append(f"{label}: {wrong or f'{seconds:.0f} s'}")
    gc.collect()
    return Record.of(
        "mutated pictures",
        count,
        failures,
        f"seed {seed}; {len(whole)} seeds, {len(mutations.MUTATIONS)} mutations; "
        f"{outcomes['read']:,} read, {outcomes['refused']:,} refused; slowest {slowest[0]:.2f} s "
        f"of processor time ({slowest[1]}); memory {before:.0f} MiB before, "
        f"{resident_mib():.0f} after",
    )


def bombed(chosen: Callable[[str], bool] = lambda name: True) -> Record:
    """Try the bombs.

    Args:
      chosen: whether to try the one of a name; all by default.
    """
    failures, slowest, most = [], (0.0, ""), (0.0, "")
    files = {name: make for name, make in bombs.bombs().items() if chosen(name)}
    for name, make in files.items():
        content = make()
        gc.collect()
        started = time.process_time()
        with peak_mib() as peak:
            _, wrong = trial(content)
        seconds = time.process_time() - started
        slowest, most = max(slowest, (seconds, name)), max(most, (peak.rise, name))
        if wrong or seconds > MOST_SECONDS or peak.rise > MOST_MEMORY:
            failures.append(f"{name}: {wrong or ''} {seconds:.1f} s, {peak.rise:.0f} MiB")
    return Record.of(
        "pictures that ask for much",
        len(files),
        failures,
        f"slowest {slowest[0]:.1f} s of processor time ({slowest[1]}), most memory "
        f"{most[0]:.0f} MiB ({most[1]})",
    )


def _is_sentence(text: str) -> bool:
    return 0 < len(text) < 600 and text[0].isupper() and text.rstrip().endswith(".")
