"""Training steps on the GPU or TPU at hand: share of its matrix rate, memory, compiling, kernels.

`python -m benchmarks accelerator` measures each setting that was made for accelerators beside the
step without it, in one process. Without an accelerator it rehearses on a tiny model, prints what it
would and keeps the lines that are there.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.flops import training_flops
from benchmarks.machine import copy_run
from benchmarks.measure import Line, medians
from benchmarks.training import first_state, random_batch, step_function, tokens_of, with_batch
from limoe_core.config import Config
from limoe_core.presets import preset
from limoe_core.training.step import lowered

#: Side of the square matrices whose product measures the rate, on an accelerator and elsewhere.
_SIDE, _SMALL_SIDE = 8192, 256
_GIB = 2**30


@dataclass(frozen=True)
class Case:
    """One step to measure."""

    name: str
    preset: str
    batch: int
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of the model that differ from the preset's."""
    twin: str | None = None
    """Name of the case of its dense twin."""
    goal: float | None = None
    """Share of the matrix rate."""

    @property
    def config(self) -> Config:
        config = preset(self.preset)
        model = dataclasses.replace(config.model, **self.model)
        return with_batch(dataclasses.replace(config, model=model), self.batch)


_KEPT: dict[str, Any] = {"remat": "none"}
_NARROW: dict[str, Any] = {**_KEPT, "residual_dtype": "bfloat16"}
_HALF: dict[str, Any] = {"dtype": "bfloat16", "residual_dtype": "bfloat16"}
CASES = (
    # As it was before cuDNN's attention, then with it, then with all that fits.
    Case("B/16-dense, attention by XLA", "B/16-dense", 512, {**_KEPT, "attention": "xla"}),
    Case("B/16-dense", "B/16-dense", 512, _KEPT),
    Case("B/16-dense, bfloat16 residuals", "B/16-dense", 512, _NARROW, goal=0.60),
    Case("B/16-dense, dots kept", "B/16-dense", 1024, {**_NARROW, "remat": "dots"}),
    Case("B/16, attention by XLA", "B/16", 512, {**_KEPT, "attention": "xla"}),
    Case("B/16", "B/16", 512, _KEPT, twin="B/16-dense"),
    Case("B/16, bfloat16 residuals", "B/16", 512, _NARROW, twin="B/16-dense, bfloat16 residuals"),
    Case("emoji-tiny", "emoji-tiny", 4096),
    Case("emoji-tiny, bfloat16", "emoji-tiny", 4096, _HALF),
)
_REHEARSAL = (
    Case("debug-dense", "debug", 8, {"experts": 0, "dtype": "bfloat16"}, goal=0.60),
    Case("debug", "debug", 8, {"dtype": "bfloat16"}, twin="debug-dense"),
)


def run(cases: Sequence[Case] | None = None, repeats: int = 8) -> list[Line]:
    """Every line of every case; none without an accelerator, unless cases are named."""
    if cases is None and jax.default_backend() == "cpu":
        print("no accelerator is here, so this only rehearses on a tiny model:")
        for line in run(_REHEARSAL, repeats=1):
            print(f"  {line.name}: {line.value} {line.unit}; {line.how}")
        return []
    rate, bandwidth = _rates(repeats)
    lines = [
        Line(name="accelerator: bfloat16 matrix rate", value=rate / 1e12, unit="TFLOP/s", how=""),
        Line(name="accelerator: bandwidth of a copy", value=bandwidth / 1e9, unit="GB/s", how=""),
    ]
    seconds: dict[str, float] = {}
    for case in cases or CASES:
        try:
            lines += _measured(case, rate, repeats, seconds)
        except Exception as error:  # such as too little memory: the other cases are worth having
            reason = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            name = f"accelerator: {case.name}: share of the matrix rate"
            lines.append(Line(name=name, value=None, how=reason))
        print(f"measured {case.name}", file=sys.stderr)
        jax.clear_caches()
    return [line if line.how else dataclasses.replace(line, how=_machine()) for line in lines]


def _machine() -> str:
    return f"{jax.devices()[0].device_kind}, products of {_side()}² and a copy of 256 MiB"


def _side() -> int:
    return _SMALL_SIDE if jax.default_backend() == "cpu" else _SIDE


def _rates(repeats: int) -> tuple[float, float]:
    """FLOPs of a matrix product, and bytes of a copy, in a second."""
    side = _side()
    left, right = (
        jax.random.normal(jax.random.key(seed), (side, side), jnp.bfloat16) for seed in (0, 1)
    )
    multiply = jax.jit(jnp.matmul)
    copy, moved = copy_run()
    found = medians({"product": lambda: multiply(left, right), "copy": copy}, repeats)
    return 2 * side**3 / found["product"], moved / found["copy"]


def _measured(case: Case, rate: float, repeats: int, seconds: dict[str, float]) -> list[Line]:
    """Lines of one case.

    Args:
      seconds: of the steps that were measured before, by case; this one's is added.
    """
    config = case.config
    batch, state = random_batch(config), first_state(config)
    start = time.perf_counter()
    function: Any = step_function(config)
    program = lowered(function, state, batch)
    traced = time.perf_counter() - start
    executable = program.compile()
    compiled = time.perf_counter() - start
    planned = executable.memory_analysis()
    step = functools.partial(executable, **function.keywords)
    held = planned.argument_size_in_bytes + planned.temp_size_in_bytes
    times = []
    for turn in range(repeats + 2):
        start = time.perf_counter()
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        if turn > 1:
            times.append(time.perf_counter() - start)
    took = seconds[case.name] = statistics.median(times)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            state, metrics = step(state, batch)
            jax.block_until_ready((state, metrics))
        kernels = _kernels(Path(folder))
    useful = training_flops(config.model, tokens_of(batch, config))
    name = f"accelerator: {case.name}"
    setting = ", ".join(f"{key} {value}" for key, value in case.model.items()) or "as it is"
    how = (
        f"{case.preset}, batch {case.batch}, {setting}: {took * 1e3:.1f} ms, "
        f"{useful / took / 1e12:.3g} TFLOP/s useful; {kernels}"
    )
    found = [
        Line(
            name=f"{name}: share of the matrix rate",
            value=useful / took / rate,
            goal=case.goal,
            bound="at least",
            limit=1.0,
            how=how,
        ),
        Line(name=f"{name}: pictures", value=case.batch / took, unit="/s", how="of that step"),
        Line(
            name=f"{name}: compiling",
            value=compiled,
            unit="s",
            goal=60.0,
            how=f"of one step function, {traced:.3g} s of it in tracing and lowering",
        ),
        Line(
            name=f"{name}: memory",
            value=held / _GIB,
            unit="GiB",
            how="arguments and temporary buffers, as XLA planned them",
        ),
    ]
    if case.twin in seconds:
        found.append(
            Line(
                name=f"{name} ÷ its dense twin",
                value=took / seconds[case.twin],
                goal=1.03,
                how=f"steps of the same batch; the twin is {case.twin}",
            )
        )
    return found


def _kernels(folder: Path, most: int = 12) -> str:
    """What the device was busy with in a profiled step, by kind of kernel."""
    spent: Counter[str] = Counter()
    for trace in folder.glob("**/*.trace.json.gz"):
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        named = [event for event in events if event.get("ph") == "M" and "name" in event["args"]]
        devices = {e["pid"] for e in named if "/device:" in e["args"]["name"]}
        streams = {
            (e["pid"], e["tid"])
            for e in named
            if e["name"] == "thread_name"
            and any(word in e["args"]["name"] for word in ("Stream", "XLA Ops"))
        }
        for event in events:
            here = (event.get("pid"), event.get("tid"))
            if event.get("ph") == "X" and here[0] in devices and here in streams:
                spent[event["name"].rstrip("0123456789._")] += event["dur"]
    if not spent:
        return "no kernels in the profile"
    longest = ", ".join(f"{name} {us / 1e3:.1f}" for name, us in spent.most_common(most))
    return f"busy for {sum(spent.values()) / 1e3:.1f} ms, of which {longest}"
