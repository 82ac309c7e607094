"""Causal specialisation of a small model with random weights, against weights changed by hand."""

from __future__ import annotations

import copy
import dataclasses
import errno
import json
import os

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import causal
from limoe_core import losses
from limoe_core.config import Config
from limoe_core.evaluation.causal import pair_losses
from limoe_core.inference import LoadedModel
from limoe_core.runs import Run
from tests.analysis.random_model import TEXTS, random_model, random_pictures


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def pictures():
    return random_pictures()


def loss(model, images, texts):
    temperature = model.functional.bind(model.params).temperature
    found = losses.contrastive_loss(jnp.asarray(images), jnp.asarray(texts), temperature)
    return float(found)


def without_expert(model, layer, expert):
    """The model whose expert gives every token nothing."""
    params = copy.deepcopy(model.params)
    mlp = params["blocks"][layer]["mlp"]
    for name in ("w_out", "b_out"):
        mlp[name] = mlp[name].at[expert].set(0.0)
    return dataclasses.replace(model, params=params)


@pytest.mark.training
def test_an_expert_that_gives_nothing_is_one_whose_output_weights_are_zero(model, pictures):
    frame = analysis.causal_specialisation(model, pictures, TEXTS, variant="none", samples=50)
    whole = model.trace(pictures, TEXTS, capacity_factor=0)
    before = loss(model, whole.image_embeddings, whole.text_embeddings)
    changed = 0
    for row in frame.itertuples():
        lame = without_expert(model, row.layer - 1, row.expert)
        trace = lame.trace(pictures, TEXTS, capacity_factor=0)
        image = loss(model, trace.image_embeddings, whole.text_embeddings) - before
        text = loss(model, whole.image_embeddings, trace.text_embeddings) - before
        assert row.delta_image == pytest.approx(image, abs=2e-5)
        assert row.delta_text == pytest.approx(text, abs=2e-5)
        assert row.baseline == pytest.approx(before, abs=1e-5)
        if abs(image) + abs(text) > 1e-3:
            changed += 1
            index = abs(image - text) / (abs(image) + abs(text))
            has_effect = bool(row.effect_image or row.effect_text)
            assert row.index == pytest.approx(
                index if has_effect else np.nan, abs=0.05, nan_ok=True
            )
    assert changed >= 4


def test_next_best_leaves_those_alone_that_never_chose_the_expert(model, pictures):
    frame = analysis.causal_specialisation(model, pictures, TEXTS, samples=50)
    assert set(frame["variant"]) == {"next best"}
    counts = analysis.first_choice_counts(model.trace(pictures, TEXTS, capacity_factor=0))
    assert frame["image_tokens"].tolist() == counts[:, 0].reshape(-1).tolist()
    assert frame["text_tokens"].tolist() == counts[:, 1].reshape(-1).tolist()
    assert (frame["delta_image_low"] <= frame["delta_image"] + 1e-9).all()
    assert (frame["delta_image_high"] >= frame["delta_image"] - 1e-9).all()
    one = analysis.causal_specialisation(model, pictures, TEXTS, layers=[2], samples=50)
    assert set(one["layer"]) == {2}
    assert one["delta_text"].tolist() == frame.query("layer == 2")["delta_text"].tolist()


def rises(
    image: list[float], text: list[float], text_tokens: int = 1, top_k: int = 1
) -> pd.DataFrame:
    """What is told of an expert whose loss rises so, pair by pair."""
    found = causal._summary(np.array([image, text]), samples=200, seed=0)
    kept = {name: [found.get(name, 1)] for name in causal._COLUMNS}
    frame = pd.DataFrame(kept).assign(pairs=len(image), text_tokens=text_tokens)
    return causal._told(frame, top_k)


def test_an_expert_without_effect_has_no_index():
    """|δ_image − δ_text| / (|δ_image| + |δ_text|) of two noises is near 1 more often than not."""
    rng = np.random.default_rng(0)
    indices, effects = [], []
    for _ in range(200):
        row = rises(rng.normal(size=64), rng.normal(size=64)).iloc[0]
        effects += [row["effect_image"], row["effect_text"]]
        indices.append(row["index"])
    assert effects.count("") / len(effects) > 0.88
    assert np.isnan(indices).mean() > 0.8


def test_effects_have_a_direction_and_a_modality_that_never_comes_has_none():
    rng = np.random.default_rng(0)
    row = rises(0.5 + 0.1 * rng.normal(size=64), np.zeros(64)).iloc[0]
    assert (row["effect_image"], row["effect_text"]) == ("needed", "")
    assert row["index"] == 1
    row = rises(0.1 * rng.normal(size=64), -0.5 + 0.1 * rng.normal(size=64)).iloc[0]
    assert row["effect_text"] == "harmful"
    assert row["chance"] == pytest.approx(np.log(64))


def test_an_expert_that_no_token_chooses_is_not_needed_for_that_modality():
    """Without it the other gates are scaled a little, in every pair the same way."""
    rng = np.random.default_rng(0)
    tiny = 1e-3 + 1e-5 * rng.normal(size=64)
    assert rises(np.zeros(64), tiny).iloc[0]["effect_text"] == "needed"
    row = rises(np.zeros(64), tiny, text_tokens=0).iloc[0]
    assert row["effect_text"] == ""
    assert np.isnan(row["index"])
    # As a second choice it may be needed all the same.
    assert rises(np.zeros(64), tiny, text_tokens=0, top_k=2).iloc[0]["effect_text"] == "needed"


def test_the_losses_of_pairs_average_to_the_contrastive_loss(model):
    rng = np.random.default_rng(3)
    images, texts = rng.normal(size=(2, 9, 5))
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    wanted = losses.contrastive_loss(jnp.asarray(images), jnp.asarray(texts), 0.1)
    assert pair_losses(images, texts, 0.1).mean() == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize(
    ("image", "text", "index"),
    [(0.2, 0.0, 1), (0.2, 0.2, 0), (0.3, 0.1, 0.5), (0.1, -0.1, 1), (0.0, 0.0, np.nan)],
)
def test_specialisation_index(image, text, index):
    found = analysis.specialisation_index(np.array(image), np.array(text))
    assert float(found) == pytest.approx(index, nan_ok=True)


def test_results_are_cached_and_a_damaged_cache_is_made_anew(model, pictures, tmp_path):
    calls = []
    ask = {"folder": tmp_path, "samples": 20, "progress": lambda *done: calls.append(done)}
    first = analysis.cached_causal_specialisation(model, pictures, TEXTS, **ask)
    assert calls[-1] == (len(calls), len(calls))
    calls.clear()
    again = analysis.cached_causal_specialisation(model, pictures, TEXTS, **ask)
    assert calls == []
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    (file,) = tmp_path.iterdir()
    json.loads(file.read_text())
    file.write_text(file.read_text()[:100])
    analysis.cached_causal_specialisation(model, pictures, TEXTS, **ask)
    assert calls
    other = dataclasses.replace(model, step=5)
    analysis.cached_causal_specialisation(other, pictures, TEXTS, **ask)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cache_that_takes_no_more_costs_a_warning_and_not_the_result(
    model, pictures, tmp_path, monkeypatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="cannot be kept: No space left") as warned:
        found = analysis.cached_causal_specialisation(
            model, pictures, TEXTS, folder=tmp_path, samples=20
        )
    assert len(warned) == 1
    assert len(found)
    assert list(tmp_path.iterdir()) == []


def test_questions_without_an_answer_are_told_so(model, pictures):
    with pytest.raises(analysis.AnalysisError, match="no text twice"):
        analysis.causal_specialisation(model, pictures[:2], ["cat", "cat"])
    with pytest.raises(analysis.AnalysisError, match="block 5"):
        analysis.causal_specialisation(model, pictures, TEXTS, layers=[5])
    with pytest.raises(analysis.AnalysisError, match="next best, none"):
        analysis.causal_specialisation(model, pictures, TEXTS, variant="all")
    config = dataclasses.replace(
        model.config, model=dataclasses.replace(model.config.model, experts=0)
    )
    dense = dataclasses.replace(model, config=config)
    with pytest.raises(analysis.AnalysisError, match="dense twin"):
        analysis.causal_specialisation(dense, pictures, TEXTS)


def test_results_that_version_0_3_kept_are_found():
    def path(config: Config) -> str:
        model = LoadedModel(config, None, None, None, 4500)
        picture = np.zeros((2, 2), np.uint8)
        return causal._path(model, [picture], ["a"], "folder", "none", 1000, 0).name

    assert path(Config()) == "causal-27d32ae72bc53212cf63.json"
    other = dataclasses.replace(Config().model, router="frozen")
    assert path(Config(model=other)) != path(Config())


def test_a_kept_result_is_found_whether_the_place_of_the_data_was_named_or_not(tmp_path):
    elsewhere = dataclasses.replace(Config().data, dir=str(tmp_path / "data"))
    config = Config(data=elsewhere)

    def path(read: Config, unfollowed: dict[str, str]) -> str:
        run = Run(tmp_path / "a-run", read, {"created": "2026-01-01"}, unfollowed)
        model = LoadedModel(read, None, None, None, 10, run)
        picture = np.zeros((2, 2), np.uint8)
        return causal._path(model, [picture], ["a"], "folder", "none", 1000, 0).name

    assert path(Config(), {"data.dir": elsewhere.dir}) == path(config, {})
