"""Lines of metrics, read while they are written."""

from __future__ import annotations

import threading
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.runs import Run, RunError
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
