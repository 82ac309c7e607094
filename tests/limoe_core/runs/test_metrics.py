"""Lines of metrics, read while they are written."""

from __future__ import annotations

import threading
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.runs import Run, RunError, metrics
from tests.limoe_core.runs.examples import DEBUG


@settings(max_examples=30)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53)
            | st.floats(allow_nan=False, allow_infinity=False),
            max_size=4,
        ),
        max_size=5,
    )
)  # fmt: skip
def test_logged_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    run = Run.create(tmp_path_factory.mktemp("log") / "run", DEBUG)
    for line in lines:
        run.append_metrics(line)
    assert run.metrics() == lines


def test_numbers_of_arrays_and_nan_are_logged(run: Run) -> None:
    run.append_metrics(
        {
            "step": np.int64(3),
            "loss": jnp.float32(0.5),
            "shares": {"layer 2": np.array([[0.25, 0.75]])},
            "diverged": float("nan"),
            "norm": jnp.float32(jnp.inf),
        }
    )
    assert run.metrics() == [
        {
            "step": 3,
            "loss": 0.5,
            "shares": {"layer 2": [[0.25, 0.75]]},
            "diverged": None,
            "norm": None,
        }
    ]


def test_torn_lines_are_skipped_and_the_next_one_is_whole(run: Run) -> None:
    run.append_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write('{"step": 2, "text": "りん'.encode()[:-1])
    assert run.metrics() == [{"step": 1}]
    run.append_metrics({"step": 3})
    assert run.metrics() == [{"step": 1}, {"step": 3}]


def test_a_reader_never_sees_half_a_line(run: Run) -> None:
    def write() -> None:
        for step in range(1000):
            run.append_metrics({"step": step, "text": "x" * 5000})

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        steps = [line["step"] for line in run.metrics()]
        assert steps == list(range(len(steps)))
    writer.join()
    assert len(run.metrics()) == 1000


def test_metrics_too_deep_to_read_are_skipped_and_a_folder_in_their_place_is_said(run: Run) -> None:
    run.append_metrics({"step": 1})
    path = run.path / "metrics.jsonl"
    path.write_text(path.read_text() + "[" * 200_000 + "\n")
    assert run.metrics() == [{"step": 1}]
    path.unlink()
    path.mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        run.metrics()


def test_the_newest_line_of_a_step_is_found_at_the_end(run: Run) -> None:
    assert run.newest_metrics() is None
    run.append_metrics({"step": 1, "loss": 2.0})
    run.append_metrics({"step": 2, "loss": 1.5})
    run.append_metrics({"step": 2, "validation": {"top1": 0.1}})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 3, "loss": 1')
    assert run.newest_metrics() == {"step": 2, "loss": 1.5}


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), max_size=8), st.data())
def test_a_growing_log_gives_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    log, seen, step = metrics.GrowingLog(path), [], 0
    assert log.more() == (False, [])
    for count in counts:
        with path.open("ab") as file:
            for _ in range(count):
                line = b'{"step": %d}\n' % step
                cut = data.draw(st.integers(0, len(line)))
                file.write(line[:cut])
                file.flush()
                seen += log.more()[1]  # a line that is half there is not read
                file.write(line[cut:])
                step += 1
        seen += log.more()[1]
        assert seen == metrics.read(path) if path.exists() else not seen
    if step:
        assert log.more() == (True, [])


def test_a_log_that_goes_back_is_read_anew(run: Run) -> None:
    for step in range(10):
        run.append_metrics({"step": step})
    log = metrics.GrowingLog(run.path_of("metrics"))
    assert len(log.more()[1]) == 10
    run.truncate_metrics(4)
    run.append_metrics({"step": 5, "again": 1})
    goes_on, lines = log.more()
    assert not goes_on
    assert lines == run.metrics()


def test_a_log_that_is_overwritten_in_place_is_read_anew(run: Run) -> None:
    path = run.path_of("metrics")
    path.write_text('{"step": 1}\n{"step": 2}\n')
    log = metrics.GrowingLog(path)
    log.more()
    with path.open("r+") as file:  # the same file, with another beginning
        file.write('{"step": 7}\n{"step": 8}\n{"step": 9}\n')
    assert log.more() == (False, [{"step": 7}, {"step": 8}, {"step": 9}])
