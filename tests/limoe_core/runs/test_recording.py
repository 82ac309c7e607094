"""Runs that hold traces of another model: written part by part, whole at any moment."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from limoe_core.runs import Run, RunError, TraceWriter, list_runs
from limoe_core.runs.files import CONFIG
from limoe_core.trace import RoutingTrace
from tests.limoe_core.other_traces import other_trace

#: A part that a writer which was killed left.
_TORN = ".00000001-00000002.ab_d3fgh.npz"


@pytest.fixture
def trace() -> RoutingTrace:
    return other_trace()


def _write(path: Path, *traces: RoutingTrace, step: int = 0) -> Run:
    with TraceWriter(path, step=step, gate_steps=None) as writer:
        for each in traces:
            writer.add(each)
    assert writer.run is not None
    return writer.run


def test_pairs_come_back_as_they_were_added(tmp_path: Path, trace: RoutingTrace) -> None:
    run = _write(tmp_path / "other", trace.select([0]), trace.select([1, 2]))
    assert run.probe_steps() == [0]
    assert run.probe(0) == trace
    assert run.recorded_pairs(0) == 3
    assert run.steps() == [] and run.evaluations() == {} and run.probe_pictures() is None
    assert run.routers == dict(zip(range(1, 5), trace.names, strict=True))
    assert run.other is not None and run.other.made_by["model"] == "org/a-model"
    assert "org/a-model" in repr(run)
    assert [listing.error for listing in list_runs(tmp_path)] == [None]


def test_gates_are_kept_in_steps_unless_asked_otherwise(
    tmp_path: Path, trace: RoutingTrace
) -> None:
    with TraceWriter(tmp_path / "other") as writer:
        writer.add(trace)
    back = Run.open(tmp_path / "other").probe(0)
    assert back.gate is not None and trace.gate is not None
    np.testing.assert_allclose(back.gate, trace.gate, atol=2.5 / 500)


def test_what_was_cut_short_goes_on_where_it_ended(tmp_path: Path, trace: RoutingTrace) -> None:
    path = tmp_path / "other"
    _write(path, trace.select([0]))
    (path / "probes" / "0" / _TORN).write_bytes(b"of a killed writer")
    with TraceWriter(path, gate_steps=None) as writer:
        assert writer.pairs == 1
        writer.add(trace.select([1, 2]))
    assert not (path / "probes" / "0" / _TORN).exists()
    assert Run.open(path).probe(0) == trace


def test_nothing_goes_that_no_writer_left(tmp_path: Path, trace: RoutingTrace) -> None:
    path, home = tmp_path / "other", tmp_path / "home"
    _write(path, trace.select([0]))
    home.mkdir()
    (path / "probes" / "7").symlink_to(home)
    (path / "probes" / "0" / ".a-folder").mkdir()
    kept = [home / ".profile", home / _TORN, path / "probes" / "0" / ".notes"]
    for file in kept:
        file.write_text("of a person")
    with TraceWriter(path):
        pass
    assert all(file.exists() for file in kept)


def test_steps_lie_beside_one_another(tmp_path: Path, trace: RoutingTrace) -> None:
    _write(tmp_path / "other", trace, step=0)
    run = _write(tmp_path / "other", other_trace(1), step=100)
    assert run.probe_steps() == [0, 100]
    assert run.probe(100) == other_trace(1)


def test_a_part_that_is_missing_ends_the_trace(tmp_path: Path, trace: RoutingTrace) -> None:
    run = _write(tmp_path / "other", *(trace.select([pair]) for pair in range(3)))
    (run.path_of("probe", 0) / "00000001-00000002.npz").unlink()
    assert run.probe(0) == trace.select([0])


def test_another_models_traces_are_refused(tmp_path: Path, trace: RoutingTrace) -> None:
    from tests.limoe_core.test_trace import make

    run = _write(tmp_path / "other", trace)
    with TraceWriter(tmp_path / "other") as writer:
        with pytest.raises(RunError, match="another model: numbers"):
            writer.add(make())
        with pytest.raises(RunError, match="being recorded by another process"):
            with TraceWriter(tmp_path / "other"):
                pass
    make().save(run.path_of("probe", 0) / "00000003-00000006.npz")
    with pytest.raises(RunError, match="00000003-00000006"):
        run.probe(0)


def test_what_needs_a_model_of_ours_is_refused_in_a_sentence(
    tmp_path: Path, trace: RoutingTrace
) -> None:
    run = _write(tmp_path / "other", trace)
    with pytest.raises(RunError, match="traces of another model alone"):
        _ = run.config
    with pytest.raises(RunError, match="no checkpoint"):
        run.resolve_step()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"routers": []}, "recorded.routers"),
        ({"routers": [{"number": 1, "experts": 0, "name": "x"}]}, "experts"),
        ({"top_k": "two"}, "top_k"),
        ({"scoring": None}, "scoring"),
        ({"made_by": {"model": 7}}, "made_by"),
    ],
)
def test_a_description_that_makes_no_sense_is_said(
    tmp_path: Path, trace: RoutingTrace, change: dict, words: str
) -> None:
    run = _write(tmp_path / "other", trace)
    info = json.loads((run.path / CONFIG).read_text())
    info["recorded"] |= change
    (run.path / CONFIG).write_text(json.dumps(info))
    with pytest.raises(RunError, match=words):
        Run.open(run.path)


def test_names_in_use_are_refused(tmp_path: Path, trace: RoutingTrace) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(RunError, match="not a run"):
        TraceWriter(tmp_path / "full")
    with pytest.raises(RunError, match="step must be"):
        TraceWriter(tmp_path / "other", step=-1)


def test_pairs_that_no_reader_takes_are_not_written(tmp_path: Path, trace: RoutingTrace) -> None:
    nothing = trace.take(np.zeros(trace.num_tokens, bool))
    too_much = dataclasses.replace(trace, meta={str(n): trace.captions for n in range(70)})
    nameless = dataclasses.replace(trace, made_by={"model": ""})
    for wrong in (nothing, too_much, nameless):
        with pytest.raises(RunError, match="could not be read again"):
            _write(tmp_path / "other", wrong)
    assert list(tmp_path.iterdir()) == []
    run = _write(tmp_path / "other", trace)
    with pytest.raises(RunError):
        _write(tmp_path / "other", too_much)
    assert run.recorded_pairs(0) == 3


def test_what_a_killed_process_left_hinders_no_other_of_its_number(
    tmp_path: Path, trace: RoutingTrace
) -> None:
    (tmp_path / f".other.{os.getpid()}" / "probes" / "0").mkdir(parents=True)
    assert _write(tmp_path / "other", trace).recorded_pairs(0) == 3


def test_a_part_that_a_killed_writer_left_goes_at_the_next_start(
    tmp_path: Path, trace: RoutingTrace
) -> None:
    run = _write(tmp_path / "other", trace.select([0]))
    left = run.path_of("probe", 0) / ".00000001-00000002.x1.npz"
    left.write_bytes(b"half")
    assert _write(tmp_path / "other", trace.select([1, 2])).probe(0) == trace
    assert not left.exists()
