"""The page Experts, without a browser."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.geometry import ROUTERS
from analysis.recipes import python, record
from app.server import jobs
from limoe_core.runs.directory import Run
from tests.app.one_page import figures, frames, open_page, said
from tests.limoe_core.expert_records import record_of

VIEWS = ("modalities", "closely", "preferences", "paths")


@pytest.fixture(autouse=True)
def no_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows must not depend on what this machine happens to have built."""
    monkeypatch.setattr("app.views.experts.causal.is_built", lambda config: False)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_from_the_probe_trace_alone(
    runs_folder: Path, tmp_path: Path, view: str
) -> None:
    """Without parameters and without a tokenizer: a run that was copied in part."""
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    shutil.rmtree(tmp_path / "small" / "steps")
    (tmp_path / "small" / "tokenizer.model").unlink()
    page = open_page("experts", tmp_path, view=view)
    assert not page.exception
    assert not page.error
    assert figures(page)


def test_numbers_say_what_they_are_of(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, step="10")
    trace = Run.open(runs_folder / "small").probe(10)
    text = said(page).replace("\\", "")
    assert "Step 10." in text
    assert "6 pairs of the validation split of emoji/base:1.0.0" in text
    patches = int((trace.modality == 0).sum())
    assert f"{patches} patches and {trace.num_tokens - patches} pieces" in text
    assert "at most" in text  # the capacity


def test_the_table_holds_what_analysis_measures(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, step="20")
    wanted = analysis.roles(Run.open(runs_folder / "small").probe(20))
    table = frames(page)[0]
    assert table["role"].tolist() == wanted["role"].tolist()
    assert table["text_share"].tolist() == pytest.approx(wanted["text_share"].tolist())
    assert table["expert"].tolist() == [f"E{e}" for e in wanted["expert"]]


def test_the_bars_are_the_shares_of_the_layer(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, step="20", layer="1")
    wanted = analysis.roles(Run.open(runs_folder / "small").probe(20)).query("layer == 1")
    image, text = figures(page)[0]["data"][:2]
    assert _numbers(image["y"]) == pytest.approx(wanted["image_share"].tolist())
    assert _numbers(text["y"]) == pytest.approx((-wanted["text_share"]).tolist())


def test_a_choice_of_view_is_kept_in_the_address(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder)
    page.segmented_control(key="view").set_value("paths").run()
    address = dict(page.query_params.items())
    assert address["view"] == "paths"
    again = open_page("experts", runs_folder, **address)
    assert again.segmented_control(key="view").value == "paths"


def test_preferences_follow_the_address(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, view="preferences", tokens="text", by="language")
    assert not page.exception
    assert "by language" in said(page)
    labels = figures(page)[0]["data"][0]["y"]
    assert {label.split(" (")[0] for label in labels} == {"en", "es", "ar", "ja"}


def test_a_label_that_patches_do_not_have_falls_back_in_silence(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, view="preferences", tokens="image", by="script")
    assert not page.exception
    assert not page.warning
    assert "by category" in said(page)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("view", "horoscope"),
        ("layer", "7"),
        ("step", "11"),
        ("expert", "99"),
        ("tokens", "smell"),
        ("variant", "all"),
    ],
)
def test_a_bad_value_is_answered_with_a_sentence(runs_folder: Path, name: str, value: str) -> None:
    views = {"expert": "closely", "tokens": "preferences", "variant": "causal"}
    address = {"view": views.get(name, "modalities"), name: value}
    page = open_page("experts", runs_folder, **address)
    assert not page.exception
    assert any("In the address" in warning.value for warning in page.warning)


def test_a_dense_twin_and_a_run_that_has_just_started_say_so(runs_folder: Path) -> None:
    assert "dense twin" in said(open_page("experts", runs_folder, run="dense"))
    assert "no probe trace yet" in said(open_page("experts", runs_folder, run="just-started"))


def test_a_damaged_probe_trace_is_said_and_the_others_can_be_seen(
    runs_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    (tmp_path / "small" / "probes" / "20.npz").write_bytes(b"PK\x03\x04 torn")
    page = open_page("experts", tmp_path)
    assert not page.exception
    assert "damaged" in page.error[0].value
    page = open_page("experts", tmp_path, step="10")
    assert not page.error


def test_causal_specialisation_is_measured_on_demand_and_kept(
    runs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jobs.board.cache_clear()  # another test may have measured it
    page = open_page("experts", runs_folder, view="causal", step="20")
    assert not page.exception
    assert not figures(page)  # nothing is measured unasked
    page.button[0].click().run()
    assert not page.exception
    assert len(figures(page)) == 1
    kept = list((tmp_path / "limoe-lens" / "causal").glob("*.json"))
    assert len(kept) == 1
    table = frames(page)[0]
    assert len(table) == 8  # two layers of four experts
    assert table["delta_image"].abs().sum() > 0


def test_a_step_without_parameters_says_which_step_is_asked_instead(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, view="causal", step="0")
    assert "step 10, the nearest" in said(page).replace("\\", "")


def test_the_sceptics_check_compares_with_routers_that_learned_nothing(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, view="sceptic", step="20")
    assert not figures(page)  # it takes a while, so it is asked for first
    next(button for button in page.button if button.label == "Check now").click().run()
    assert page.query_params["check"] == "asked"
    assert not page.exception
    names = {trace["name"] for trace in figures(page)[0]["data"]}
    assert names == set(ROUTERS)


def test_without_parameters_the_model_is_not_asked(runs_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    shutil.rmtree(tmp_path / "small" / "steps")
    for view in ("causal", "sceptic"):
        page = open_page("experts", tmp_path, view=view)
        assert not page.exception
        assert "no parameters" in page.error[0].value


def _numbers(values: object) -> list[float]:
    """Plotly writes long arrays as base64."""
    if isinstance(values, dict):
        import base64

        import numpy as np

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return list(values)  # type: ignore[call-overload]


@pytest.fixture
def measured(runs_folder: Path, tmp_path: Path) -> Path:
    """A folder with the run `small`, of which step 20 was measured on other pairs."""
    shutil.copytree(runs_folder / "small", tmp_path / "small")
    run = Run.open(tmp_path / "small")
    run.save_experts(record_of(run.probe(20).select([0, 1, 2, 3]), 20))
    return tmp_path


def test_a_measured_step_is_shown_and_said_with_its_baselines(measured: Path) -> None:
    page = open_page("experts", measured, step="20")
    assert not page.exception
    text = said(page).replace("\\", "")
    assert "4 pairs of emoji/base:2.0.0 that training never saw (3 of test_style" in text
    assert "measured by evaluate --experts" in text
    marks = {trace.get("name") for figure in figures(page) for trace in figure["data"]}
    assert {"step 0", "k-means", "random, centred"} <= marks
    other = open_page("experts", measured, step="10")
    assert "6 pairs of the validation split" in said(other)
    assert "evaluate --experts measures a step on up to 1,024" in said(other).replace("\\", "")
    closely = said(open_page("experts", measured, step="20", view="closely"))
    assert "6 pairs" in closely and "the other views are of those" in closely
    assert "the losses of those named" in said(
        open_page("experts", measured, step="20", view="causal")
    )


def test_labels_that_no_pair_has_are_not_offered(measured: Path) -> None:
    run = Run.open(measured / "small")
    trace = run.probe(10)
    none = np.full(trace.num_pairs, "")
    run.save_probe(10, dataclasses.replace(trace, meta={**trace.meta, "category": none}))
    page = open_page("experts", measured, step="10", view="preferences")
    assert not page.exception and not page.error


def test_causes_and_removal_of_a_measured_step_need_no_model(measured: Path) -> None:
    shutil.rmtree(measured / "small" / "steps")
    page = open_page("experts", measured, view="causal", step="20")
    assert not page.exception
    assert not page.error
    assert "12 pairs of test_style" in said(page)
    titles = [figure["layout"]["yaxis"]["title"]["text"] for figure in figures(page)]
    assert titles == ["rise of loss, nats", "contrastive loss, nats", "own text is nearest"]


def test_a_damaged_record_is_said_and_the_probes_are_shown(measured: Path) -> None:
    (measured / "small" / "experts" / "20.npz").write_bytes(b"PK\x03\x04 torn")
    page = open_page("experts", measured, step="20")
    assert not page.exception
    assert "The probe pairs are shown instead" in page.warning[0].value
    assert "6 pairs of the validation split" in said(page)


def test_lines_of_a_measured_step_run_as_they_are(measured: Path) -> None:
    run = record(Run.open, measured / "small")
    found = record(Run.experts, run, 20)
    frames = {
        "roles": record(analysis.roles, found.attribute("trace")),
        "causes": record(analysis.measured_causes, found),
        "baselines": record(analysis.specialisation_baselines, found),
    }
    scope: dict[str, object] = {}
    exec(python(**frames), scope)
    for name, frame in frames.items():
        assert frame.value.equals(scope[name]), name
