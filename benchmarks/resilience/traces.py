"""Trace files with wrong content, read and analysed as the pages do.

Each must be refused with a sentence, or be a trace of which every measure can be taken.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.resilience.hostile import tampered_traces
from benchmarks.resilience.readers import LostError, Reader
from benchmarks.resilience.record import Record

#: Seconds that the reader of one file may take, and MB that it may grow by.
_SECONDS, _MEGABYTES = 20.0, 1500.0


def run(source: Path, count: int = 1000, seed: int = 0) -> list[Record]:
    """Read `count` tampered traces.

    Args:
      source: a run with a probe trace; it is not changed.
    """
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="tampered-") as name, Reader() as reader:
        copy = Path(name) / "run"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("steps", "predictions"))
        probes = _emptied_probes(copy)
        cases = tampered_traces(source, probes, n=count, seed=seed)
        for case in tqdm(cases, total=count, unit=" traces"):
            step = int(case.path.stem)
            try:
                outcome, seconds, megabytes = reader.ask(read, copy, step)
            except LostError as error:
                failures.append(f"{case.name} ({case.wrong}): {error}")
                continue
            finally:
                case.path.unlink()
            outcomes[outcome.split(":")[0]] += 1
            slowest = max(slowest, seconds)
            if outcome.startswith("unclear"):
                failures.append(f"{case.name} ({case.wrong}): {outcome}")
            elif seconds > _SECONDS or megabytes > _MEGABYTES:
                failures.append(f"{case.name} ({case.wrong}): {seconds:.0f} s, {megabytes:.0f} MB")
    how = (
        f"one to three wrong arrays or headers each, seed {seed}: "
        f"{dict(sorted(outcomes.items()))}; those read are analysed as pages do; slowest "
        f"{slowest:.1f} s"
    )
    return [Record.of("tampered traces", count, failures, how)]


def read(path: Path, step: int) -> tuple[str, float, float]:
    """Read one trace of a run and take every measure of it; outcome, seconds and MB added."""
    from limoe_core.runs import Run, RunError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    try:
        trace = Run.open(path).probe(step)
    except RunError as error:
        outcome = "refused" if str(error).strip() else "unclear: an error without a sentence"
    except Exception as error:  # whatever else comes out is what is looked for
        outcome = f"unclear: {type(error).__name__}: {str(error)[:200]}"
    else:
        outcome = _measured(trace)
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return outcome, seconds, grown


def _measured(trace: Any) -> str:
    """What becomes of the measures that pages take of a trace, of its first layer and expert."""
    import analysis

    trace = analysis.readable(trace)  # as pages do with texts that no browser would take
    layer = int(trace.layers[0]) if trace.num_layers else 1
    measures: dict[str, Callable[[], object]] = {
        "repr": lambda: repr(trace),
        "frame": lambda: analysis.to_frame(trace),
        "shares": lambda: analysis.expert_shares(trace),
        "health": lambda: analysis.router_health(trace),
        "roles": lambda: analysis.roles(trace),
        "specialisation": lambda: analysis.modality_specialisation(trace, samples=20),
        "agreement": lambda: analysis.agreement_with_labels(trace),
        "transitions": lambda: analysis.transitions(trace),
        "positions": lambda: analysis.position_frame(trace, layer),
        "patches": lambda: analysis.top_patches(trace, layer, 0),
        "pieces": lambda: analysis.top_pieces(trace, layer, 0),
        "words": lambda: analysis.top_words(trace, layer, 0),
        "image paths": lambda: analysis.expert_paths(trace, "image"),
        "text paths": lambda: analysis.expert_paths(trace, "text"),
        "preferences": lambda: analysis.expert_preferences(trace, layer, "piece", "text"),
        "sceptic": lambda: analysis.sceptics_check(trace, draws=1),
    }
    for name, measure in measures.items():
        try:
            measure()
        except analysis.AnalysisError:
            continue
        except Exception as error:  # as above
            return f"unclear: {name}: {type(error).__name__}: {str(error)[:200]}"
    return "read"


def _emptied_probes(run: Path) -> Path:
    """The copy's folder of traces, with their pictures alone left in it."""
    from limoe_core.runs import Run

    opened = Run.open(run)
    for step in opened.probe_steps():
        opened.path_of("probe", step).unlink()
    return opened.path_of("probe pictures").parent
