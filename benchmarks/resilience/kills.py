"""Training killed at random moments, and resumed until it ends."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from benchmarks.resilience.record import Record
from limoe_core.runs import Run, files

_STEPS = 30
#: Every kind of moment occurs: a save every third step, an evaluation every fifth.
_OPTIONS = (
    *("--preset", "debug", "--train.steps", str(_STEPS), "--train.checkpoint-every", "3"),
    *("--train.evaluate-every", "5", "--train.probe-every", "5", "--train.probe-pairs", "4"),
)
#: Kills in a row without progress that count as a failure.
_STUCK = 25


def run(kills: int = 100, seed: int = 0) -> list[Record]:
    """Kill training `kills` times over several runs; compare each with an undisturbed one.

    A new run first builds its data set, so builds are killed as well.
    """
    draw = random.Random(seed)
    failed = runs = 0
    moments: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as name, tqdm(total=kills) as progress:
        folder = Path(name)
        _finish(folder / "quiet", folder / "data")
        wanted = _leaves(Run.open(folder / "quiet"))
        # Again, since the first run compiled what all others load.
        seconds = _finish(folder / "again", folder / "data again")
        failed += not _same(_leaves(Run.open(folder / "again")), wanted)
        while progress.n < kills:
            runs += 1
            path, data = folder / f"run{runs}", folder / f"data{runs}"
            stuck = 0
            while progress.n < kills and stuck < _STUCK:
                process = _start(path, data)
                # A resumed run has fewer steps left, so some reach the end unharmed.
                time.sleep(draw.uniform(0, seconds))
                if process.poll() is not None:
                    process.communicate()
                    break
                before = _where(path)
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                moments[before] += 1
                stuck = stuck + 1 if _where(path) == before else 0
                failed += not _readable(path)
                progress.update()
            _finish(path, data)
            failed += not _same(_leaves(Run.open(path)), wanted)
            shutil.rmtree(data)
    met = ", ".join(f"{count} {moment}" for moment, count in sorted(moments.items()))
    how = (
        f"kill -9 at random moments (seed {seed}) of {runs} runs of the debug preset, {_STEPS} "
        "steps with a save every 3 and an evaluation every 5, each then resumed to its end and "
        f"compared bitwise with one that was left alone ({seconds:.0f} s); killed {met}"
    )
    return [Record("training killed and resumed", progress.n, failed, how)]


def quiet_run(folder: Path) -> Path:
    """An undisturbed, evaluated run for other attacks to damage."""
    _finish(folder / "quiet", folder / "data")
    subprocess.run(
        [sys.executable, "-m", "limoe_core.evaluate", "--run", str(folder / "quiet")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return folder / "quiet"


def _start(path: Path, data: Path) -> subprocess.Popen[bytes]:
    # A resumed run takes its settings, with the data directory, from its config.json.
    begun = (path / files.CONFIG).exists()
    options = ["--resume"] if begun else [*_OPTIONS, "--data.dir", str(data)]
    return subprocess.Popen(
        [sys.executable, "-m", "limoe_core.train", "--run", str(path), *options],
        # Later runs load what the first compiled, or most kills would hit the compiler.
        env={
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(path.parent / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _finish(path: Path, data: Path) -> float:
    """Train to the end; return the seconds that it took."""
    start = time.perf_counter()
    process = _start(path, data)
    _, told = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a resumed run failed: {told.decode()[-2000:]}")
    return time.perf_counter() - start


def _where(path: Path) -> str:
    """The run's progress, for the record."""
    if not (path / files.CONFIG).exists():
        return "before the run began"
    steps = Run.open(path).steps()
    if any(entry.suffix or "tmp" in entry.name for entry in (path / files.STEPS).glob("*")):
        return "while saving"
    return "between saves" if steps else "before the first save"


def _readable(path: Path) -> bool:
    """True if all that a reader may ask of the run is there, and every step is whole."""
    if not path.exists():
        return True
    try:
        run = Run.open(path)
        run.metrics()
        run.evaluations()
        for step in run.probe_steps():
            run.probe(step)
        for step in run.steps():
            run.restore_params(step)
    except Exception:  # a promise is broken, whatever the error
        return False
    return True


def _leaves(run: Run) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(run.restore_params(_STEPS))]


def _same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
