"""Logs of training as frames, figures and alarms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import figures
from analysis.alarms import RULES
from limoe_core.presets import preset
from limoe_core.runs.progress import Progress


class Log:
    """A run of which only the log is there."""

    def __init__(self, lines: list[dict[str, Any]], said: Progress | None = None, **train: Any):
        config = preset("debug")
        self.config = replace(config, train=replace(config.train, **train))
        self._lines, self._said = lines, said

    def metrics(self) -> list[dict[str, Any]]:
        return self._lines

    def progress(self) -> Progress | None:
        return self._said


def line(step: int, **values: Any) -> dict[str, Any]:
    return {
        "step": step,
        "loss": 3.0,
        "contrastive": 2.5,
        "gradient_norm": 1.0,
        "pairs_per_second": 100.0,
        "auxiliary": {"z_loss": 4.0},
        "time": 0,
        **values,
    }


def router(image: list[float], text: list[float], dropped: float = 0.0) -> dict[str, Any]:
    each = {"image": 1.0, "text": 0.5}
    return {
        "layer": 2,
        "share": {"image": image, "text": text},
        "dropped": {"image": dropped, "text": 0.0},
        "local_entropy": each,
        "global_entropy": each,
    }


def series(frame: pd.DataFrame, name: str, modality: str | None = None) -> pd.DataFrame:
    rows = frame[frame["measure"] == name]
    return rows if modality is None else rows[rows["modality"] == modality]


# ---- frames


def test_every_scalar_is_in_the_frame() -> None:
    run = Log(
        [
            line(1, routers=[router([0.5, 0.5], [1.0, 0.0])], novel=7),
            line(2, gradient_norm=None),
            {"step": 2, "validation": {"split": "validation", "n": 9, "ways": 3, "top1": 0.25}},
            {"step": 2, "warning": "something"},
            line(2, loss=2.75),
        ]
    )
    frame = analysis.training_frame(run)
    assert set(frame["measure"]) == {
        "loss", "contrastive", "auxiliary.total", "auxiliary.z_loss", "gradient_norm",
        "pairs_per_second", "validation.top1", "novel", "routers.dropped",
        "routers.local_entropy", "routers.global_entropy",
    }  # fmt: skip
    assert series(frame, "loss")["value"].tolist() == [3.0, 2.75]
    assert series(frame, "auxiliary.total")["value"].tolist() == [0.5, 0.25]
    assert series(frame, "gradient_norm")["value"].tolist()[-1] == 1.0
    (entropy,) = series(frame, "routers.local_entropy", "text").to_dict("records")
    assert (entropy["layer"], entropy["value"], entropy["step"]) == (2, 0.5, 1)


def test_pictures_and_hours_of_each_step() -> None:
    run = Log([line(10, pairs_per_second=16.0), line(30, pairs_per_second=32.0)])
    loss = series(analysis.training_frame(run), "loss")
    assert loss["pictures"].tolist() == [160, 480]  # 16 pairs a batch
    assert loss["hours"].tolist() == pytest.approx([10 / 3600, 20 / 3600])
    between = Log([*run.metrics(), {"step": 20, "validation": {"top1": 0.5}}])
    top1 = series(analysis.training_frame(between), "validation.top1")
    assert top1["hours"].tolist() == pytest.approx([15 / 3600])


@pytest.mark.parametrize(
    "odd",
    [
        {"routers": [5]},
        {"auxiliary": [1, 2]},
        {"auxiliary": {"deep": {"deeper": 1}}},
        {"loss": "low"},
        {"routers": [{"layer": "2", "dropped": 3}]},
    ],
)
def test_what_training_does_not_write_is_no_measure(odd: dict[str, Any]) -> None:
    frame = analysis.training_frame(Log([{"step": 1, "contrastive": 2.0, **odd}]))
    assert set(frame["measure"]) == {"contrastive"}


def test_a_log_of_ever_new_names_is_refused() -> None:
    with pytest.raises(analysis.AnalysisError, match="different scalars"):
        analysis.training_frame(Log([{"step": 1, f"a{n}": 1.0} for n in range(2000)]))


def test_an_empty_log_is_an_empty_frame() -> None:
    frame = analysis.training_frame(Log([]))
    assert frame.empty
    assert analysis.training_summary(frame).empty
    assert analysis.training_alarms(Log([])).empty


def test_the_summary_has_the_newest_and_the_extremes() -> None:
    run = Log([line(step, loss=loss) for step, loss in ((1, 3.0), (2, 5.0), (3, 4.0))])
    (row,) = (
        analysis.training_summary(analysis.training_frame(run))
        .query("measure == 'loss'")
        .to_dict("records")
    )
    assert [row[n] for n in ("first", "newest", "at", "least", "most", "lines")] == [
        3,
        4,
        3,
        3,
        5,
        3,
    ]


# ---- figures


def test_runs_share_an_axis_and_differ_by_colour_and_dash() -> None:
    frame = analysis.training_frame(Log([line(step) for step in range(1, 50)]))
    figure = figures.training_figure({"a": frame, "b<i>": frame}, ["loss"])
    first, second = figure.data
    assert (first.name, second.name) == ("a", "b&lt;i&gt;")
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash


def test_a_long_log_is_drawn_with_its_peak() -> None:
    lines = [line(step, loss=9.0 if step == 12_345 else 3.0) for step in range(1, 20_001)]
    frame = analysis.training_rows(analysis.training_frame(Log(lines)), ["loss"])
    (curve,) = figures.training_figure({"a": frame}, ["loss"]).data
    assert len(curve.y) <= 4 * 600
    assert max(curve.y) == 9.0
    assert curve.x[np.argmax(curve.y)] == 12_345


def test_smoothing_leaves_the_values_beneath() -> None:
    frame = analysis.training_frame(Log([line(s, loss=float(s % 2)) for s in range(1, 99)]))
    values, average = figures.training_figure({"a": frame}, ["loss"], half_life=10).data
    assert (values.showlegend, average.showlegend) == (False, True)
    assert max(average.y[20:]) - min(average.y[20:]) < 0.2


def test_each_expert_has_a_row_and_long_runs_few_columns() -> None:
    lines = [
        {"step": step, "routers": [router([0.25, 0.75], [1.0, 0.0])]} for step in range(1, 1001)
    ]
    routers = analysis.training_routers(Log(lines))
    (heat,) = figures.loads_figure(routers, 2, "image", columns=100).data
    assert np.asarray(heat.z).shape == (2, 100)
    assert np.allclose(np.asarray(heat.z)[1], 0.75)
    with pytest.raises(analysis.AnalysisError, match="block 3"):
        figures.loads_figure(routers, 3, "image")


# ---- alarms


def alarms(lines: list[dict[str, Any]], **options: Any) -> dict[str, dict[str, Any]]:
    found = analysis.training_alarms(Log(lines, **options))
    return {row["alarm"]: row for row in found.to_dict("records")}


def many(count: int, **values: Any) -> list[dict[str, Any]]:
    return [line(step, **values) for step in range(1, count + 1)]


GOOD = router([0.5, 0.5], [0.4, 0.6])


def test_a_healthy_run_raises_none() -> None:
    assert alarms(many(100, routers=[GOOD])) == {}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("modality on one expert", router([0.5, 0.5], [0.97, 0.03])),
        ("dead expert", router([1.0, 0.0], [0.9995, 0.0005])),
        ("modality dropped", router([0.5, 0.5], [0.4, 0.6], dropped=0.3)),
    ],
)
def test_a_router_has_to_be_wrong_for_long_enough(name: str, bad: dict[str, Any]) -> None:
    def log(wrong: int) -> list[dict[str, Any]]:
        return [line(s, routers=[bad if 30 < s <= 30 + wrong else GOOD]) for s in range(1, 101)]

    assert name not in alarms(log(19))
    found = alarms(log(20))[name]
    assert (found["since"], found["last"], found["layer"]) == (31, 50, 2)
    assert found["rule"] == RULES[name]


def test_one_expert_takes_all_by_design() -> None:
    assert alarms(many(100, routers=[router([1.0], [1.0])])) == {}


def test_a_spike_is_told_from_what_gradients_are_like() -> None:
    lines = many(100)
    lines[60]["gradient_norm"] = 4.9
    assert alarms(lines) == {}
    lines[60]["gradient_norm"] = 60.0
    found = alarms(lines)["gradient spike"]
    assert (found["since"], found["times"], found["value"]) == (61, 1, 60.0)
    assert "60 times" in found["sentence"]
    assert alarms([line(1, gradient_norm=50.0), *many(100)[1:]]) == {}, (
        "a run begins with large ones"
    )


def test_a_loss_that_is_no_number_is_an_alarm() -> None:
    lines = many(10)
    lines[6]["loss"] = None
    assert alarms(lines)["not finite"]["since"] == 7


def test_throughput_is_compared_among_steps_that_show_as_many_patches() -> None:
    lines = many(200)
    for each in lines[100:]:
        each["pairs_per_second"] = 50.0
    assert alarms(lines, steps=200)["throughput fell"]["since"] > 100
    assert alarms(lines, steps=200, full_patch_steps=100) == {}, "all patches take longer"


def test_what_training_said_of_its_failure_is_an_alarm() -> None:
    found = alarms(many(5), said=Progress("failed", 5, note="the loss is nan"))
    assert found["training failed"]["sentence"] == "the loss is nan"


def test_what_still_holds_comes_first() -> None:
    lines = [line(s, routers=[router([0.5, 0.5], [0.97, 0.03])]) for s in range(1, 41)]
    lines[5]["loss"] = None
    found = analysis.training_alarms(Log(lines))
    assert found["alarm"].tolist() == ["modality on one expert", "not finite"]


@pytest.mark.parametrize(
    "routers",
    [5, "abc", [{**router([1.0], [1.0]), "layer": 2**63}], [{**router([1.0], [0.5, 0.5])}]],
    ids=["number", "text", "layer", "unlike"],
)
def test_routers_that_no_training_writes_hide_no_curve(routers: Any) -> None:
    log = Log([line(step, routers=routers) for step in range(1, 12)])
    assert "loss" in set(analysis.training_frame(log)["measure"])
    with pytest.raises(analysis.AnalysisError, match="as training writes"):
        analysis.training_routers(log)


def test_odd_names_and_endless_steps_of_a_log_are_left_out() -> None:
    frame = analysis.training_frame(Log([line(1, **{"\ud800": 1.0, "pairs_per_second": 5e-324})]))
    assert all(name.isprintable() for name in frame["measure"])
    assert not np.isinf(frame["hours"].astype(float)).any()
