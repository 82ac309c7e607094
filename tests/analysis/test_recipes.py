"""The lines that the dashboard hands out really run, and give what the dashboard shows."""

from __future__ import annotations

import shutil

import pandas as pd
import plotly.graph_objects as go
import pytest

import analysis
from analysis.recipes import RECIPES, recipe
from limoe_core import evaluate
from limoe_core.runs.directory import Run

TASK = "zero_shot_test_style"
OPTIONS = {"modality": "image", "task": TASK, "group": "language"}


@pytest.fixture(scope="module")
def run(debug_run, data_dir, tmp_path_factory):
    """A copy of the debug run with its evaluation beside it."""
    path = tmp_path_factory.mktemp("runs") / "it's mine"
    shutil.copytree(debug_run, path)
    evaluate.evaluate(
        evaluate.Arguments(
            path, tasks=("test_style",), data=evaluate.DataOverride(dir=str(data_dir))
        )
    )
    return Run.open(path)


def execute(lines):
    found = {}
    exec(compile(lines, "recipe", "exec"), found)
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_as_it_is(name, run):
    trace = run.probe(20)
    layer = int(trace.layers[0])
    code = 1 if name in ("top pieces", "top words") else 0
    expert = int(analysis.first_choice_counts(trace)[0, code].argmax())
    found = execute(recipe(name, run.path, 20, layer, expert=expert, **OPTIONS))
    assert isinstance(found["frame"], pd.DataFrame)
    if name != "top words":  # so few pairs may hold no word that one expert prefers
        assert len(found["frame"])
    if "figure" in found:
        assert isinstance(found["figure"], go.Figure)
        assert len(found["figure"].data)


def test_a_recipe_gives_what_the_library_gives(run):
    trace = run.probe(10)
    found = execute(recipe("shares of a layer", run.path, 10, 2))
    wanted = analysis.roles(trace).query("layer == 2")
    pd.testing.assert_frame_equal(found["frame"], wanted)
    found = execute(recipe("preferences", run.path, 10, 1, by="script", modality="text"))
    wanted = analysis.expert_preferences(trace, 1, "script", "text")
    pd.testing.assert_frame_equal(found["frame"], wanted)


def test_without_a_step_a_recipe_takes_the_newest(run):
    found = execute(recipe("tokens", run.path))
    newest = analysis.to_frame(run.probe(run.probe_steps()[-1]))
    pd.testing.assert_frame_equal(found["frame"], newest)


def test_what_a_recipe_lacks_is_said():
    with pytest.raises(analysis.AnalysisError, match="'paths' needs modality"):
        recipe("paths", "run", 3, 2)
    with pytest.raises(analysis.AnalysisError, match="'emergence' needs layer"):
        recipe("emergence", "run")
    with pytest.raises(analysis.AnalysisError, match="'confusions' needs step"):
        recipe("confusions", "run", task=TASK)
    with pytest.raises(analysis.AnalysisError, match="no recipe 'magic'; there are shares"):
        recipe("magic", "run")


def test_options_cannot_smuggle_in_code():
    lines = recipe("preferences", "x'); print('run", 1, 2, by="a'); print('b", modality="text")
    assert "Run.open(\"x'); print('run\")" in lines
    assert "\"a'); print('b\"" in lines
