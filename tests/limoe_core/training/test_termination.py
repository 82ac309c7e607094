"""What becomes of SIGTERM: at once with nothing to save, else after the step at hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from limoe_core.runs import Run
from limoe_core.training.termination import (
    CUT_SHORT,
    NOTHING_TO_SAVE,
    TERMINATED,
    Ended,
    Termination,
)
from tests.conftest import ROOT


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0)  # the handler runs between two instructions


def test_before_the_first_step_it_ends_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Ended) as ended, Termination():
        ask()
    assert ended.value.code == TERMINATED == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_between_steps_it_is_noted() -> None:
    with Termination() as termination:
        termination.begin_steps()
        ask()
        assert termination.asked
        assert termination.agreed(False)


def test_a_request_that_a_library_swallowed_is_kept() -> None:
    with Termination() as termination:
        with suppress(BaseException):
            ask()
        with pytest.raises(Ended):
            termination.begin_steps()


def test_nothing_is_left_open() -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    count = opened()
    for _ in range(3):
        with Termination():
            pass
    assert opened() == count
    assert signal.set_wakeup_fd(-1) == -1


#: Compiled code that takes no notice of signals, as XLA's compiler does.
_COMPILED = """
import hashlib, sys
from contextlib import ExitStack
from limoe_core.training import termination
termination.PATIENCE = 0.5
with ExitStack() as stack, termination.Termination() as asked:
    {before}
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", {rounds})
    print("done", asked.asked, flush=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize(
    "before, code, told",
    [
        ("pass", 143, CUT_SHORT),
        ("asked.begin_steps(); stack.enter_context(asked.compiling())", 143, CUT_SHORT),
        ("asked.begin_steps()", 0, "done True"),
        (
            "asked.begin_steps(); stack.enter_context(asked.compiling()); "
            "asked.saving = lambda: True",
            0,
            "done True",
        ),
    ],
    ids=["at the start", "a step compiles", "a step runs", "a step is written"],
)
def test_compiled_code_is_cut_short_where_nothing_is_lost(
    before: str, code: int, told: str
) -> None:
    rounds = 10**9 if code else 8_000_000  # many minutes, or seconds
    process = subprocess.Popen(
        [sys.executable, "-c", _COMPILED.format(before=before, rounds=rounds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    time.sleep(1)  # it goes on to what is compiled
    process.send_signal(signal.SIGTERM)
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, output
    assert told in output


def train(path: Path, data: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "limoe_core.train", "--preset", "debug", "--run", str(path)),
            *("--data.dir", str(data), *options),
        ],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended_in(process: subprocess.Popen[str]) -> tuple[float, str]:
    """Seconds from the request to the end, and what was printed."""
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    return time.monotonic() - asked, output


@pytest.mark.processes
def test_a_build_that_is_asked_to_end_leaves_nothing(tmp_path: Path) -> None:
    process = train(tmp_path / "run", tmp_path / "data")
    for _ in range(1200):
        if (tmp_path / "data" / "emoji").exists():
            break
        time.sleep(0.05)
    time.sleep(3)  # it draws
    seconds, output = ended_in(process)
    assert process.returncode == TERMINATED, output[-3000:]
    assert seconds < 10
    assert NOTHING_TO_SAVE in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
    assert list((tmp_path / "data" / "emoji").rglob("incomplete*")) == []
    assert list((tmp_path / "data" / "emoji").rglob("*array_record*")) == []


@pytest.mark.processes
def test_a_compilation_that_is_asked_to_end_ends(
    tmp_path: Path, data_dir: Path, debug_run: Path
) -> None:
    assert debug_run.exists()  # so the data set is built
    options = ("--model.layers", "24", "--model.width", "256", "--model.mlp-dim", "1024")
    compiled = tmp_path / "compiled"
    process = train(
        tmp_path / "run",
        data_dir,
        *options,
        JAX_COMPILATION_CACHE_DIR=str(compiled),
        XLA_FLAGS="",
    )
    for _ in range(2400):
        if (tmp_path / "run").exists():
            break
        time.sleep(0.05)
    time.sleep(8)  # it compiles
    seconds, output = ended_in(process)
    assert seconds < 10
    assert process.returncode == TERMINATED, output[-3000:]
    assert CUT_SHORT in output or NOTHING_TO_SAVE in output
    assert "Traceback" not in output
    assert Run.open(tmp_path / "run").steps() == []
