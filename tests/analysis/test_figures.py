from __future__ import annotations

import dataclasses

import numpy as np
import plotly.graph_objects as go
import pytest

import analysis
from analysis import figures
from analysis.figures.style import INTENSITY, INTENSITY_DARK, step_axis


@pytest.fixture
def traces(trace_of):
    return {step: trace_of(step, pairs=12, layers=2) for step in (0, 10, 40)}


def bars(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_shares_go_up_for_images_and_down_for_texts(trace):
    frame = analysis.roles(trace)
    figure = figures.shares_figure(frame)
    for row, layer in enumerate((2, 4)):
        mine = frame[frame["layer"] == layer]
        assert bars(figure, "image tokens")[row].y == pytest.approx(mine["image_share"])
        assert bars(figure, "text tokens")[row].y == pytest.approx(-mine["text_share"])
        assert list(bars(figure, "text tokens")[row].x) == ["E0", "E1", "E2", "E3"]
    patterns = {bar.marker.pattern.shape for bar in figure.data}
    assert patterns == {"", "/"}  # modality is told by more than its direction, and not by colour
    assert list(figure.data[0].marker.color) == [analysis.expert_colour(e) for e in range(4)]


def test_the_legend_of_shares_has_the_colour_of_no_expert(trace):
    figure = figures.shares_figure(analysis.roles(trace))
    named = [bar for bar in figure.data if bar.showlegend is not False]
    assert [bar.name for bar in named] == ["image tokens", "text tokens"]
    assert not {bar.marker.color for bar in named} & {analysis.expert_colour(e) for e in range(32)}


def test_layers_are_called_by_their_blocks(trace):
    made = [
        figures.shares_figure(analysis.roles(trace)),
        figures.specialisation_figure(analysis.modality_specialisation(trace, samples=20)),
        figures.agreement_figure(analysis.agreement_with_labels(trace)),
        figures.paths_figure(analysis.transitions(trace), "image"),
    ]
    for figure in made:
        assert "block 2" in figure.to_json()
        assert "layer 2" not in figure.to_json()


def test_words_in_dark_cells_are_white(trace):
    frame = analysis.expert_preferences(trace, 2, "category", "image", samples=20)
    heat = figures.preference_figure(frame, measure="share").data[0]
    for words, strength in zip(np.ravel(heat.text), np.ravel(heat.z) / heat.z.max(), strict=True):
        assert ("#FFFFFF" in words) == (strength > INTENSITY_DARK)


def test_every_figure_lies_on_no_background_and_says_nothing_in_colour_alone(trace, traces):
    made = [
        figures.shares_figure(analysis.roles(trace)),
        figures.specialisation_figure(analysis.modality_specialisation(trace, samples=20)),
        figures.emergence_figure(analysis.shares_over_steps(traces), 2),
        figures.preference_figure(
            analysis.expert_preferences(trace, 2, "category", "image", samples=20)
        ),
    ]
    for figure in made:
        template = figure.layout.template.layout
        assert template.paper_bgcolor == template.plot_bgcolor == "rgba(0, 0, 0, 0)"
        assert figure.layout.paper_bgcolor is None  # a page may bring its own theme


def test_emergence_has_a_frame_and_a_slider_stop_for_each_probe(traces):
    frame = analysis.shares_over_steps(traces)
    figure = figures.emergence_figure(frame, 4)
    assert [f.name for f in figure.frames] == ["0", "10", "40"]
    assert [s.args[0][0] for s in figure.layout.sliders[0].steps] == ["0", "10", "40"]
    for step, shown in zip((0, 10, 40), figure.frames, strict=True):
        mine = frame[(frame["step"] == step) & (frame["layer"] == 4)]
        assert shown.data[0].y == pytest.approx(mine["image_share"])
    top = max(frame[frame["layer"] == 4][["image_share", "text_share"]].max())
    low, high = figure.layout.yaxis.range
    assert low < -top
    assert high > top  # the axis holds every step, so that it does not jump
    with pytest.raises(analysis.AnalysisError, match="no layer 3"):
        figures.emergence_figure(frame, 3)


def test_stacked_shares_reach_the_whole(traces):
    frame = analysis.shares_over_steps(traces)
    figure = figures.shares_over_steps_figure(frame, 2, "text")
    assert np.sum([trace.y for trace in figure.data], axis=0) == pytest.approx(1)
    assert list(figure.data[0].customdata) == [0, 10, 40]


def test_a_log_axis_has_a_place_for_step_zero():
    places, axis = step_axis([0, 10, 14, 2000], log=True)
    assert places[0] == 5
    assert places[14] == 14
    assert dict(zip(axis["tickvals"], axis["ticktext"], strict=True)) == {
        5: "0", 10: "10", 30: "30", 100: "100", 300: "300", 1000: "1,000",
    }  # fmt: skip
    places, axis = step_axis([0, 10], log=False)
    assert places == {0: 0, 10: 10}
    assert "type" not in axis


def test_words_are_shown_as_they_are(trace):
    label = "<b>x</b> & <script>"
    category = np.full(trace.num_pairs, label)
    marked = dataclasses.replace(trace, meta={"category": category})
    frame = analysis.expert_preferences(marked, 2, "category", "image", samples=0)
    figure = figures.preference_figure(frame)
    assert figure.data[0].y[0].startswith("&lt;b&gt;x&lt;/b&gt; &amp; &lt;script&gt;")


def test_preference_cells_hold_the_frame(trace):
    frame = analysis.expert_preferences(trace, 2, "category", "image", samples=20)
    figure = figures.preference_figure(frame, measure="share")
    for row, name in enumerate(figure.data[0].y):
        for expert in range(trace.num_experts):
            value = name.split(" (")[0].replace("&amp;", "&")
            cell = frame[(frame["expert"] == expert) & (frame["value"] == value)]
            assert figure.data[0].z[row][expert] == pytest.approx(cell["share"].item())


def test_position_maps_lie_the_right_way_up(trace):
    figure = figures.position_figure(analysis.position_frame(trace, 2))
    assert len(figure.data) == trace.num_experts
    for expert, heat in enumerate(figure.data):
        assert heat.z == pytest.approx(analysis.position_map(trace, 2, expert))
    assert figure.layout.yaxis.autorange == "reversed"  # row 0 is the top of the picture


def test_flows_keep_their_tokens(trace_of):
    trace = trace_of(layers=3)
    frame = analysis.transitions(trace)
    flow = figures.paths_figure(frame, "image").data[0]
    assert sum(flow.link.value) == 2 * (trace.modality == 0).sum()
    blocks = [name.split(",")[0] for name in flow.node.customdata]
    for source, target in zip(flow.link.source, flow.link.target, strict=True):
        assert (blocks[source], blocks[target]) in {
            ("block 2", "block 4"),
            ("block 4", "block 6"),
        }


def test_two_runs_on_one_time_axis_differ_by_their_dashes(trace_of):
    class FakeRun:
        def __init__(self, offset):
            self.traces = {step: trace_of(step + offset) for step in (0, 10, 20)}

        def probe_steps(self):
            return sorted(self.traces)

        def probe(self, step):
            return self.traces[step]

        def metrics(self):
            return [
                {"step": s, "contrastive": 3.0 / (s + 1), "validation": {"top1": s / 100}}
                for s in range(0, 21, 5)
            ]

    frames = {"one": analysis.timeline_frame(FakeRun(0), samples=20),
              "two": analysis.timeline_frame(FakeRun(99), samples=20)}  # fmt: skip
    assert set(frames["one"]["measure"]) == {
        "contrastive loss",
        "validation top-1",
        "modality NMI",
        "token entropy",
        "mean entropy",
        "drop rate",
        "saturation",
    }
    health = analysis.health_over_steps(FakeRun(0).traces)
    rows = frames["one"].query("measure == 'drop rate' and layer == 4 and modality == 'text'")
    wanted = health.query("layer == 4 and modality == 'text'")["drop_rate"]
    assert rows["value"].tolist() == pytest.approx(wanted.tolist())
    figure = figures.timeline_figure(frames, 4)
    dashes = {trace.line.dash for trace in figure.data if "one" in (trace.name or "")}
    assert dashes == {"solid"}
    assert {t.line.dash for t in figure.data if "two" in (t.name or "")} == {"dash"}
    with pytest.raises(analysis.AnalysisError, match="nothing to show"):
        figures.timeline_figure({"one": frames["one"].iloc[:0]}, 4)


def test_figures_survive_json_round_trips(trace, traces):
    figure = figures.emergence_figure(analysis.shares_over_steps(traces), 2)
    assert isinstance(go.Figure(figure.to_dict()), go.Figure)
    assert "NaN" not in figure.to_json()


# ---- many experts


def test_many_experts_have_no_labels_that_overprint(trace_of):
    roles = analysis.roles(trace_of(1, pairs=8, experts=32, layers=1))
    assert figures.shares_figure(roles).layout.xaxis.ticktext is None
    top = figures.shares_figure(analysis.top_experts(roles, 8))
    assert list(top.data[0].x)[-1] == "24 others"
    assert len(top.data[0].x) == 9
    assert len(top.layout.xaxis.ticktext) == 9
    cells = figures.preference_figure(
        analysis.expert_preferences(
            trace_of(1, pairs=8, experts=32), 2, "script", "text", samples=0
        )
    )
    assert cells.data[0].text is None


def test_flows_of_many_experts_are_merged_and_keep_their_tokens(trace_of):
    trace = trace_of(2, pairs=12, experts=24, layers=3)
    frame = analysis.transitions(trace)
    sankey = figures.paths_figure(frame, "image", count=5).data[0]
    labels = list(sankey.node.label)
    assert labels.count("others") == 3
    assert len(labels) <= 3 * 6
    assert sum(sankey.link.value) == frame.query("modality == 'image'")["tokens"].sum()


def test_bands_of_many_experts_reach_the_whole(trace_of):
    traces = {step: trace_of(step, pairs=8, experts=24, layers=1) for step in (0, 10)}
    frame = analysis.shares_over_steps(traces)
    bands = figures.shares_over_steps_figure(frame, 2, "image", count=6).data
    assert [band.name for band in bands][-1] == "18 others"
    assert len(bands) == 7
    np.testing.assert_allclose(np.sum([band.y for band in bands], axis=0), 1.0)


def test_experts_are_counted_by_role(trace_of):
    roles = analysis.roles(trace_of(1, pairs=8, experts=32, layers=3))
    counted = figures.roles_figure(roles).data
    assert np.sum([bar.y for bar in counted], axis=0).tolist() == [32, 32, 32]
    assert len({bar.marker.pattern.shape for bar in counted}) == len(counted)


@pytest.mark.parametrize("page", [255, 18], ids=["light", "dark"])
def test_a_stronger_cell_differs_more_from_the_page_whatever_its_theme(page: int) -> None:
    ends = [
        [float(part) for part in colour.removeprefix("rgba(").rstrip(")").split(",")]
        for _, colour in INTENSITY
    ]
    places = [place for place, _ in INTENSITY]
    strength = np.linspace(0, 1, 21)
    colours = zip(*ends, strict=True)
    red, green, blue, alpha = (np.interp(strength, places, each) for each in colours)
    seen = np.stack([red, green, blue]) * alpha + page * (1 - alpha)
    brightness = np.array([0.2126, 0.7152, 0.0722]) @ (seen / 255) ** 2.2
    steps = np.diff(brightness ** (1 / 3)) * (1 if page < 128 else -1)  # as the eye sees them
    assert (steps > 0.3 * steps.mean()).all()
