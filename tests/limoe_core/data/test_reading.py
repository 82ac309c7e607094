"""Worker processes: the same batches, from any place on, and an end with whoever started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from limoe_core.data import reading
from limoe_core.data.reading import Batches, workers_for
from limoe_core.data.threads import WorkerLost
from tests.limoe_core.data.numbered import Numbered


@pytest.mark.processes
def test_workers_make_the_same_batches_from_any_place_on() -> None:
    plain = Batches(Numbered())
    wanted = [next(plain) for _ in range(12)]
    for workers in (1, 3):
        batches = Batches(Numbered(), workers)
        found = [next(batches) for _ in range(5)]
        state = batches.get_state()
        assert state == {"next_index": 5}
        batches.close()
        again = Batches(Numbered(), 4 - workers)
        again.set_state(state)
        found += [next(again) for _ in range(7)]
        again.close()
        for mine, other in zip(found, wanted, strict=True):
            assert mine.keys() == other.keys()
            for name, array in other.items():
                np.testing.assert_array_equal(mine[name], array)


@pytest.mark.processes
def test_a_worker_tells_what_went_wrong() -> None:
    batches = Batches(Numbered(wrong=2), 1)
    next(batches)
    next(batches)
    with pytest.raises(ValueError, match="batch 2 cannot be made"):
        next(batches)
    batches.close()


@pytest.mark.processes
def test_workers_end_and_one_that_is_lost_is_told() -> None:
    batches, others = Batches(Numbered(), 2), multiprocessing.active_children()
    for number in range(2):
        batches.set_state({"next_index": number})
        assert next(batches)["number"] == number
        workers = [each for each in multiprocessing.active_children() if each not in others]
        assert len(workers) == 2
        if number == 0:
            batches.close()
            assert not any(worker.is_alive() for worker in workers)
            continue
        workers[0].kill()
        with pytest.raises(WorkerLost, match="was ended by SIGKILL, as the system does where"):
            list(batches)
        batches.close()


@pytest.mark.parametrize(
    ("code", "told"), [(1, "ended with exit code 1"), (-11, "SIGSEGV"), (-99, "by signal 99")]
)
def test_how_a_worker_ended_is_said(code: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        def __next__(self) -> None:
            raise RuntimeError(f"Worker process was terminated unexpectedly with exit code {code}.")

    batches = Batches(Numbered())
    monkeypatch.setattr(batches, "_reader", Reader())
    with pytest.raises(WorkerLost, match=told):
        next(batches)


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "reads.py"
    script.write_text(
        "import time\n"
        "from limoe_core.data.reading import Batches\n"
        "from tests.limoe_core.data.numbered import Numbered\n"
        "if __name__ == '__main__':\n"
        "    batches = Batches(Numbered(), 2)\n"
        "    [next(batches) for _ in range(3)]\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(600)\n"
    )
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
        children = _children(parent.pid)
        assert len(children) >= 2
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while any(_lives(child) for child in children):
        assert time.monotonic() < end, "a worker outlives its parent"
        time.sleep(0.1)


def _children(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _lives(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_are_left_out_where_they_would_be_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert workers_for(-1, in_memory=True, accelerated=True) == 0
    assert workers_for(-1, in_memory=False, accelerated=False) == 0
    monkeypatch.setattr(reading, "_cores", lambda: 16)
    assert workers_for(-1, in_memory=False, accelerated=True) == 15
    assert workers_for(3, in_memory=True, accelerated=False) == 3
