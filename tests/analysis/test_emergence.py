from __future__ import annotations

import numpy as np
import pytest

import analysis
from analysis.errors import AnalysisError


class FakeRun:
    """The three questions that `analysis.emergence` asks a run."""

    def __init__(self, traces, lines=()):
        self.traces, self.lines = traces, list(lines)

    def probe_steps(self):
        return sorted(self.traces)

    def probe(self, step):
        return self.traces[step]

    def metrics(self):
        return self.lines


def test_saturation_agrees_with_a_plain_count(trace_of):
    traces = {step: trace_of(step, top_k=2) for step in (0, 10, 20)}
    frame = analysis.router_saturation(traces).set_index(["step", "layer", "modality"])
    last = traces[20]
    for step, trace in traces.items():
        for index, layer in enumerate(trace.layers):
            for code, modality in enumerate(("image", "text")):
                common = [
                    len(set(trace.expert[index, t]) & set(last.expert[index, t])) / 2
                    for t in range(trace.num_tokens)
                    if trace.modality[t] == code
                ]
                assert frame.loc[(step, layer, modality), "saturation"] == pytest.approx(
                    np.mean(common)
                )
    assert (frame.loc[20, "saturation"] == 1).all()


def test_routers_that_ignore_their_input_agree_by_chance(trace_of):
    one, other = trace_of(0, pairs=300, layers=1), trace_of(1, pairs=300, layers=1)
    frame = analysis.router_saturation({0: one, 9: other}).set_index(["step", "modality"])
    for modality in ("image", "text"):
        row = frame.loc[(0, modality)]
        assert row["saturation"] == pytest.approx(row["chance"], abs=0.05)
        assert row["chance"] == pytest.approx(0.25, abs=0.02)


def test_saturation_refuses_other_tokens(trace_of):
    with pytest.raises(analysis.AnalysisError, match="step 0 and step 5"):
        analysis.router_saturation({0: trace_of(pairs=7), 5: trace_of(pairs=8)})


def test_frames_over_steps_hold_each_step_s_own_frame(trace_of):
    run = FakeRun({step: trace_of(step) for step in (0, 20, 40)})
    traces = analysis.probe_traces(run)
    shares = analysis.shares_over_steps(traces)
    health = analysis.health_over_steps(traces)
    nmi = analysis.specialisation_over_steps(traces, samples=50)
    for step, trace in run.traces.items():
        of_step = shares[shares["step"] == step].drop(columns="step").reset_index(drop=True)
        assert of_step.equals(analysis.roles(trace))
        added = ["step", "saturation", "saturation_chance"]
        of_step = health[health["step"] == step].drop(columns=added)
        assert of_step.reset_index(drop=True).equals(analysis.router_health(trace))
    assert list(nmi["step"]) == [0, 0, 20, 20, 40, 40]
    assert len(health) == 3 * 2 * 2


def test_traces_of_some_steps_alone(trace_of):
    run = FakeRun({step: trace_of(step) for step in (0, 20, 40)})
    assert list(analysis.probe_traces(run, [20, 40])) == [20, 40]
    with pytest.raises(analysis.AnalysisError, match="no probe traces"):
        analysis.probe_traces(run, [])


def test_a_run_without_probes_is_said():
    with pytest.raises(analysis.AnalysisError, match="no probe traces"):
        analysis.probe_traces(FakeRun({}))


ROUTER = {
    "layer": 2,
    "share": {"image": [0.75, 0.25], "text": [0.0, 1.0]},
    "dropped": {"image": 0.1, "text": 0.0},
    "local_entropy": {"image": 0.5, "text": 0.4},
    "global_entropy": {"image": 0.6, "text": 0.5},
}


def test_metrics_are_flattened_and_lines_of_one_step_joined():
    run = FakeRun(
        {},
        [
            {"step": 20, "loss": 2.0, "routers": [ROUTER]},
            {"step": 10, "loss": 3.0},
            {"step": 20, "validation": {"top1": 0.25}},
            {"torn": 1},
            {"step": 10, "loss": 3.5},
        ],
    )
    frame = analysis.metrics_frame(run)
    assert list(frame["step"]) == [10, 20]
    assert list(frame["loss"]) == [3.5, 2.0]
    assert frame["validation.top1"][1] == 0.25
    assert np.isnan(frame["validation.top1"][0])
    assert frame["routers.0.share.image.1"][1] == 0.25
    assert list(analysis.metrics_frame(FakeRun({})).columns) == ["step"]


def test_routers_of_the_training_batches_as_a_frame():
    run = FakeRun({}, [{"step": 20, "routers": [ROUTER]}, {"step": 20, "validation": {}}])
    frame = analysis.training_routers(run).set_index(["step", "layer", "modality", "expert"])
    assert len(frame) == 4
    assert frame.loc[(20, 2, "image", 1), "share"] == 0.25
    assert frame.loc[(20, 2, "text", 0), "dropped"] == 0
    assert frame.loc[(20, 2, "image", 0), "global_entropy"] == 0.6
    assert len(analysis.training_routers(FakeRun({}))) == 0


def test_a_log_with_other_names_in_each_line_is_refused():
    """Its frame would take gigabytes of a log of one megabyte."""
    run = FakeRun(
        {}, [{"step": n, **{f"{n}.{name}": 0 for name in range(10)}} for n in range(2000)]
    )
    with pytest.raises(AnalysisError, match=r"20,001 names in 2,000 steps"):
        analysis.metrics_frame(run)
