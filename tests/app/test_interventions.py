"""The Interventions page: what it shows is what the changed routers did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import analysis
import limoe_core
from app.server import jobs
from limoe_core.runs.directory import Run, RunError
from tests.app.example_runs import PROBED
from tests.app.one_page import frames, open_page, said

#: The page compiles a model that can be changed.
pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def opened(runs_folder: Path):
    return lambda **address: open_page("interventions", runs_folder, run="small", **address)


def both(page) -> dict:
    """What the component before_after was given."""
    found = [
        json.loads(
            element.proto.mixed.json if element.proto.HasField("mixed") else element.proto.json
        )
        for element in page.get("bidi_component")
    ]
    return next(data for data in found if "before" in data)


def test_the_page_opens_on_the_favourite_of_the_patches_off(opened, runs_folder) -> None:
    page = opened()
    assert not page.exception
    assert not page.error
    data = both(page)
    model = limoe_core.load(Run.open(runs_folder / "small"))
    images, texts, _ = analysis.probe_pairs(model.run)
    chosen = model.trace(images, texts, capacity_factor=0).select([0])
    last = chosen.expert[-1, chosen.modality == 0, 0]
    favourite = int(np.bincount(last).argmax())
    assert data["before"]["expert"] == chosen.expert[:, :, 0].tolist()
    assert favourite not in np.array(data["after"]["expert"][-1])[: data["columns"] ** 2]
    assert f"E{favourite} off for image tokens" in said(page)


def test_what_training_recorded_is_shown_until_the_model_is_there(
    opened, sent, monkeypatch, runs_folder
) -> None:
    def ask(*arguments: object) -> NoReturn:
        raise RunError("no model yet")

    monkeypatch.setattr("app.views.interventions.page.ask", ask)
    page = opened(example="3")
    assert "no model yet" in said(page)
    components = [message.delta.new_element.bidi_component for message in sent]
    [data] = [json.loads(each.json) for each in components if each.json and "moved" in each.json]
    recorded = Run.open(runs_folder / "small").probe(20).select([3])
    assert data["before"] == data["after"]
    assert data["before"]["expert"] == recorded.expert[:, :, 0].tolist()
    assert not [each for each in page.get("bidi_component") if "moved" in each.proto.json]


def test_no_change_moves_no_token_and_no_rank(opened) -> None:
    page = opened(change="none")
    assert not page.exception
    data = both(page)
    assert data["before"] == data["after"]
    assert not np.any(data["moved"])
    before, after = frames(page)[:2]
    assert before.equals(after)


def test_a_change_in_the_address_is_made(opened) -> None:
    page = opened(change="2.1.both.forced", step=str(PROBED[-1]))
    assert not page.exception
    assert set(both(page)["after"]["expert"][-1]) == {1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("7.0.image.off", "there is no expert 0 in block 7"),
        ("2.9.image.off", "there is no expert 9 in block 2"),
        ("2.0.sound.off", "it ends in image, text or both"),
        ("<b>", "4.2.image.off is one"),
        ("~".join(["2.0.image.off"] * 17), "17 changes are too many"),
    ],
)
def test_a_bad_change_is_a_sentence(opened, change: str, words: str) -> None:
    page = opened(change=change)
    assert not page.exception
    assert words in said(page).replace("\\", "")


def test_experts_all_off_is_a_sentence(opened) -> None:
    page = opened(change="~".join(f"2.{expert}.text.off" for expert in range(4)))
    assert not page.exception
    assert "are left 0 of 4 experts" in said(page)


def test_effects_and_routes_are_those_of_analysis(opened, runs_folder) -> None:
    jobs.board.cache_clear()  # another test may have asked the same
    page = opened(change="2.1.both.off", example="0", token="i5")
    for name in ("Measure", "Try them"):
        button = next(each for each in page.button if each.label == name)
        page = button.click().run()
        assert not page.exception
    model = limoe_core.load(Run.open(runs_folder / "small"))
    pairs = analysis.probe_pairs(model.run)
    images, texts, _ = analysis.with_pair(
        pairs, model.run.probe_pictures()[0], pairs[1][0], pairs[2]["concept"][0]
    )
    wanted = analysis.intervention_effects(model, images, texts, [(2, 1, "both", "off")])
    shown = next(frame for frame in frames(page) if "others_worse" in frame)
    assert np.allclose(shown["difference"], wanted["difference"], atol=1e-6)
    routes = analysis.token_routes(model, images, texts, 0, "image", 5)
    regret = next(each for each in page.metric if each.label == "Regret")
    own = routes.loc[routes["chosen"], "loss"].iloc[0]
    assert regret.value == f"{own - routes['loss'].min():.4f}"


@pytest.mark.parametrize(
    ("run", "words"), [("dense", "dense twin"), ("just-started", "by itself when it comes")]
)
def test_runs_without_experts_or_parameters_say_so(runs_folder, run: str, words: str) -> None:
    page = open_page("interventions", runs_folder, run=run)
    assert not page.exception
    assert words in said(page)
