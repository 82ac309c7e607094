"""Recorded calls: made as they are written, written as they are made."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import figures
from analysis.recipes import Recorded, constant, python, record, rows
from limoe_core.runs import Predictions, Run
from limoe_core.trace import RoutingTrace
from tests.shipped import DENSE, LAYERS, LIMOE, TASK

ROOT = Path(__file__).resolve().parents[2]
SHIPPED, LAST = LIMOE.path, LIMOE.probe_steps()[-1]


def execute(lines):
    found = {}
    exec(compile(lines, "recipe", "exec"), found)
    return found


@pytest.fixture
def run():
    return record(Run.open, SHIPPED)


@pytest.fixture
def trace(run):
    return record(Run.probe, run, LAST)


# ---- what is written


def test_lines_read_as_one_would_write_them(trace):
    frame = rows(record(analysis.roles, trace), f"layer == {LAYERS[1]}")
    figure = record(go.Figure.update_layout, record(figures.shares_figure, frame), height=330)
    assert python(frame=frame, figure=figure) == (
        "import analysis\n"
        "from analysis import figures\n"
        "from limoe_core.runs import Run\n"
        "\n"
        f"run = Run.open({str(SHIPPED)!r})\n"
        f"trace = run.probe({LAST})\n"
        f"frame = analysis.roles(trace).query('layer == {LAYERS[1]}')\n"
        "figure = figures.shares_figure(frame).update_layout(height=330)\n"
    )


def test_what_several_calls_use_is_made_once(trace):
    nmi, roles = record(analysis.modality_specialisation, trace), record(analysis.roles, trace)
    again = record(analysis.roles, record(Run.probe, record(Run.open, SHIPPED), LAST))
    lines = python(frame=record(analysis.join_runs, {"a": nmi, "b": roles, "c": again}))
    assert lines.count("Run.open") == lines.count("run.probe") == 1
    assert lines.count("analysis.roles(trace)") == 1
    assert "roles = analysis.roles(trace)" in lines


def test_parts_of_a_tuple_have_names_of_their_own(run):
    _, texts, _ = record(analysis.probe_pairs, run).unpacked("images", "texts", "meta")
    lines = python(frame=record(pd.Series, texts))
    assert "images, texts, meta = analysis.probe_pairs(run)\n" in lines
    assert lines.endswith("frame = Series(texts)\n")
    assert execute(lines)["frame"].tolist() == texts.value


def test_two_things_of_one_kind_get_two_names():
    one, two = record(Run.open, SHIPPED), record(Run.open, DENSE.path)
    frames = {"a": record(analysis.accuracy_frame, one), "b": record(analysis.accuracy_frame, two)}
    lines = python(
        frame=record(analysis.join_runs, frames), figure=record(figures.tasks_figure, frames)
    )
    assert "\nrun = " in lines
    assert "\nrun_2 = " in lines
    found = execute(lines)
    assert {"a", "b"} == set(found["frame"]["run"])
    assert isinstance(found["figure"], go.Figure)


def test_a_thing_made_of_its_like_is_one_chain(trace):
    some = record(RoutingTrace.select, trace, [3, 1])
    lines = python(frame=record(analysis.to_frame, some))
    assert f"trace = run.probe({LAST}).select([3, 1])\n" in lines


def test_variables_never_hide_what_is_imported(trace):
    both = {"a": record(analysis.roles, trace).named("analysis"), "b": constant([1], "figures")}
    figure = record(figures.shares_figure, both["a"])
    lines = python(analysis_frame=record(analysis.join_runs, both), figure=figure)
    names = {
        target.id
        for node in ast.walk(ast.parse(lines))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert not names & {"analysis", "figures", "Run"}


def test_long_lines_are_broken(run):
    labels = [f"a label of some length {i}" for i in range(9)]
    lines = python(frame=record(pd.Series, labels, name="x" * 30))
    assert max(map(len, lines.splitlines())) <= 88
    assert execute(lines)["frame"].tolist() == labels


def test_classmethods_classes_attributes_and_items(run):
    stored = record(Predictions.load, SHIPPED, TASK, LAST)
    assert str(stored.attribute("languages")[0]).endswith(f"{LAST}).languages[0]")
    assert stored.attribute("languages")[0].value == "en"
    assert str(record(analysis.probe_traces, run, [0, 10])).startswith("analysis.probe_traces(")


#: Whatever a reader may type, and a run may be called.
_LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=12,
)


@given(_LITERALS)
def test_any_plain_value_comes_back(value):
    node = constant(value, "value")
    assert execute(python(frame=node))["frame"] == value
    assert node.value == value
    assert type(node.value) is type(value)


def test_numbers_of_numpy_and_those_that_are_none():
    values = [np.int64(3), np.float32(0.5), math.inf, -math.inf, math.nan, Path("a b")]
    found = execute(python(frame=constant(values, "values")))["frame"]
    assert found[:4] == [3, 0.5, math.inf, -math.inf]
    assert type(found[0]) is int
    assert math.isnan(found[4])
    assert found[5] == "a b"


def test_options_cannot_smuggle_in_code():
    run = record(Run.open, "x'); print('run")
    frame = record(analysis.expert_preferences, record(Run.probe, run, 1), 2, "a'); print('b", "\n")
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(python(frame=frame)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls == set()


def test_what_cannot_be_written_is_refused_when_it_is_recorded():
    def local():
        return None

    for function in (lambda: None, local, analysis.recipes._walk):
        with pytest.raises(analysis.AnalysisError, match="name"):
            record(function)
    with pytest.raises(analysis.AnalysisError, match="ndarray cannot be written"):
        record(pd.Series, np.zeros(3))
    with pytest.raises(analysis.AnalysisError, match="set cannot be written"):
        record(pd.Series, [{1, 2}])


# ---- what is made


def test_values_are_made_once_and_when_they_are_asked_for(run, trace, monkeypatch):
    made = []
    probe = Run.probe
    monkeypatch.setattr(Run, "probe", lambda *asked: made.append(asked) or probe(*asked))
    node = record(RoutingTrace.select, trace, [0])
    assert not made
    assert node.value == node.value
    assert trace.value == probe(run.value, LAST)


def test_lines_give_what_the_record_gives(trace):
    frame = record(analysis.expert_preferences, trace, LAYERS[1], "script", "text", samples=20)
    figure = record(figures.preference_figure, frame, count=3)
    found = execute(python(frame=frame, figure=figure))
    pd.testing.assert_frame_equal(found["frame"], frame.value, check_exact=True)
    assert found["figure"].to_json() == figure.value.to_json()
    by_hand = analysis.expert_preferences(
        LIMOE.probe(LAST), LAYERS[1], "script", "text", samples=20
    )
    pd.testing.assert_frame_equal(frame.value, by_hand, check_exact=True)


def test_lines_run_from_any_folder(trace, tmp_path):
    lines = python(frame=record(analysis.router_health, trace)) + "print(len(frame))\n"
    done = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(done.stdout) == len(analysis.router_health(trace.value))


def test_a_store_is_asked_for_the_value_and_may_make_the_call(trace):
    kept = {}

    def store(compute):
        return kept.setdefault("value", compute())

    node = record(analysis.roles, trace)
    stored = node.through(store, ("stamp", 1))
    assert stored.value is stored.value
    assert kept["value"] is stored.value
    assert python(frame=stored) == python(frame=node)


def test_marks_tell_calls_of_one_code_apart(run):
    def frame_of(opened: Recorded[Run]) -> Recorded[pd.DataFrame]:
        return record(analysis.accuracy_frame, opened, LAST)

    plain, early, late = (
        frame_of(run),
        *(
            frame_of(run.through(lambda compute: compute(), ("evaluations", stamp)))
            for stamp in (1, 2)
        ),
    )
    assert len({plain.key, early.key, late.key}) == 3
    assert early.key == frame_of(run.through(lambda compute: None, ("evaluations", 1))).key
    assert frame_of(run).key != record(analysis.accuracy_frame, run, 4400).key


def test_marks_tell_which_of_two_of_one_name_comes_first():
    from analysis.classification import embed_pictures
    from limoe_core.data.preprocess import open_picture

    model = constant(None, "model")

    def opened(content: str) -> Recorded[Any]:
        return record(open_picture, "a.png").through(lambda _: content, content)

    def joined(*pictures: Recorded[Any]) -> Recorded[Any]:
        return record(embed_pictures, model, list(pictures))

    one, other = opened("one"), opened("other")
    assert str(joined(one, other)) == str(joined(other, one))
    keys = {joined(*parts).key for parts in [(one, other), (other, one), (one, one, other)]}
    assert len(keys) == 3
    assert len({joined(one, one, other).key, joined(one, other, other).key}) == 2


def test_progress_is_told_and_not_written():
    from analysis.classification import embed_texts

    class Model:
        def encode_texts(self, texts):
            return np.ones((len(texts), 2))

    told = []
    node = record(embed_texts, constant(None, "model").through(lambda _: Model()), list("abc"))
    node.compute(progress=lambda *done: told.append(done))
    assert told == [(0, 3)]
    assert "progress" not in python(frame=node)
