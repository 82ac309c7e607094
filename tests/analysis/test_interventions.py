"""Changes to routers and their effects, against plain loops and weights changed by hand."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

import analysis
from analysis import AnalysisError
from limoe_core.evaluation.causal import pair_losses
from tests.analysis.random_model import TEXTS, random_model, random_pictures


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def pictures():
    return random_pictures()


@pytest.fixture(scope="module")
def before(model, pictures):
    return model.trace(pictures, TEXTS, capacity_factor=0)


def after(model, pictures, changes):
    switch = analysis.intervention(model, changes)
    return model.trace(pictures, TEXTS, capacity_factor=0, intervention=switch)


def test_each_kind_of_change_does_what_it_says(model, pictures, before):
    image, text = before.modality == 0, before.modality == 1
    block = int(before.layers[0])
    favourite = int(np.bincount(before.expert[0, image, 0]).argmax())
    off = after(model, pictures, [(block, favourite, "image", "off")])
    assert not (off.expert[0, image] == favourite).any()
    assert np.array_equal(off.expert[:, text], before.expert[:, text])
    untouched = before.expert[0, image, 0] != favourite
    assert np.array_equal(off.expert[0, image][untouched], before.expert[0, image][untouched])

    forced = after(model, pictures, [(block, 1, "both", "forced")])
    assert (forced.expert[0, :, 0] == 1).all()

    silenced = after(model, pictures, [(block, favourite, "image", "silenced")])
    assert np.array_equal(silenced.expert[0], before.expert[0])
    mlp = copy.deepcopy(model.params)
    for name in ("w_out", "b_out"):
        weights = mlp["blocks"][block - 1]["mlp"]
        weights[name] = weights[name].at[favourite].set(0.0)
    lame = dataclasses.replace(model, params=mlp).trace(pictures, TEXTS, capacity_factor=0)
    assert np.allclose(silenced.image_embeddings, lame.image_embeddings, atol=1e-6)
    assert np.array_equal(silenced.text_embeddings, before.text_embeddings)


def test_no_change_changes_nothing(model, pictures, before):
    same = after(model, pictures, [])
    assert same == before
    moved = analysis.rerouted(before, same)
    assert not moved["rerouted"].any()
    frame = analysis.intervention_effects(model, pictures, TEXTS, samples=20)
    assert (frame["difference"] == 0).all()
    assert (frame["others"] == 0).all()


def test_rerouted_tokens_are_counted_one_by_one(model, pictures, before):
    changed = after(model, pictures, [(int(before.layers[0]), 0, "both", "off")])
    frame = analysis.rerouted(before, changed).set_index(["layer", "modality"])
    for layer, block in enumerate(before.layers):
        for code, modality in enumerate(("image", "text")):
            count = sum(
                set(before.expert[layer, t]) != set(changed.expert[layer, t])
                for t in range(before.num_tokens)
                if before.modality[t] == code
            )
            row = frame.loc[(int(block), modality)]
            assert row["rerouted"] == count
            assert row["tokens"] == (before.modality == code).sum()
    with pytest.raises(AnalysisError, match="same pairs"):
        analysis.rerouted(before, before.select([0, 1]))


def test_effects_are_those_of_two_traces(model, pictures, before):
    changes = [(int(before.layers[0]), 2, "both", "forced")]
    frame = analysis.intervention_effects(model, pictures, TEXTS, changes, others=50, samples=50)
    changed = after(model, pictures, changes)
    tau = float(model.functional.bind(model.params).temperature)
    frame = frame.set_index("measure")
    for name, trace in (("before", before), ("after", changed)):
        images, texts = trace.image_embeddings, trace.text_embeddings
        found = right = alike = 0.0
        for i in range(len(TEXTS)):
            row = [float(images[i] @ texts[j]) for j in range(len(TEXTS))]
            right += max(row) == row[i]
            alike += row[i]
        found = pair_losses(images, texts, tau).mean()
        assert frame.loc["contrastive loss", name] == pytest.approx(found, abs=1e-5)
        share = right / len(TEXTS)
        assert frame.loc["pictures that find their text", name] == pytest.approx(share)
        assert frame.loc["similarity of picture and text", name] == pytest.approx(
            alike / len(TEXTS), abs=1e-5
        )
    # A forced expert has exactly as many alternatives as there are other experts.
    assert (frame["others"] == model.config.model.experts - 1).all()
    assert (frame["others_worse"] <= frame["others"]).all()
    assert (frame["low"] <= frame["difference"] + 1e-9).all()
    assert frame.loc["contrastive loss", "chance"] == pytest.approx(np.log(len(TEXTS)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([(3, 0, "image", "off")], "holds no mixture"),
        ([(2, 9, "image", "off")], "there is no expert 9"),
        ([(2, 0, "sound", "off")], "image, text or both"),
        ([(2, 0, "image", "away")], "one of off, silenced, forced"),
        ([(2, e, "image", "off") for e in range(4)], "are left 0 of 4 experts"),
        ([(2, 0, "text", "off"), (2, 0, "text", "forced")], "are left 0 of 4 experts"),
    ],
)
def test_changes_that_cannot_be_are_refused(model, changes, words):
    with pytest.raises(AnalysisError, match=words):
        analysis.intervention(model, changes)


def test_ranks_are_those_of_a_sort_and_ties_share_the_better_one():
    candidates = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    frame = analysis.ranked(np.array([1.0, 0.0]), candidates, ["a", "b", "c", "d"])
    assert frame["name"].tolist() == ["a", "c", "d", "b"]
    assert frame["rank"].tolist() == [1, 1, 3, 4]
