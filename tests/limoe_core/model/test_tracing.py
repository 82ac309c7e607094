"""From a forward pass to a routing trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import analysis
from limoe_core.config import ModelConfig
from limoe_core.inference import LoadedModel, load
from limoe_core.model.tracing import patch_boxes
from tests.app.example_runs import PAIRS, make_small, picture

#: Everything that a router can be besides what the paper has.
MORE = {
    "experts": 8,
    "top_k": 4,
    "expert_dim": 16,
    "shared_dim": 24,
    "router": "frozen",
    "balance": "modality",
}


def test_patches_are_counted_row_by_row() -> None:
    boxes = patch_boxes(ModelConfig(image_size=32, patch_size=8))
    assert boxes.shape == (16, 4)
    assert boxes.dtype == np.int32
    assert boxes[0].tolist() == [0, 0, 8, 8]
    assert boxes[1].tolist() == [8, 0, 16, 8]
    assert boxes[4].tolist() == [0, 8, 8, 16]
    covered = np.zeros((32, 32), int)
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A stored run with a random bias for balancing."""
    return load(make_small(tmp_path_factory.mktemp("more") / "run", **MORE))


def test_a_trace_tells_choices_gates_and_distribution_apart(model: LoadedModel) -> None:
    """With a bias for balancing the chosen experts are not those of the largest gates."""
    pictures = [picture(i) for i in range(len(PAIRS))]
    trace = model.trace(pictures, [caption for caption, _ in PAIRS], hidden=True)
    assert trace.expert.shape == (2, trace.num_tokens, 4)
    np.testing.assert_allclose(trace.probs.sum(axis=-1), 1, rtol=1e-5)
    others = 0
    for layer in range(2):
        mlp = model.params["blocks"][layer]["mlp"]
        for token in range(trace.num_tokens):
            logits = trace.hidden[layer, token] @ np.asarray(mlp["router"])
            probs = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
            np.testing.assert_allclose(trace.probs[layer, token], probs, atol=1e-5)
            scores = probs + np.asarray(mlp["balance"])[trace.modality[token]]
            chosen = sorted(range(8), key=lambda e: -scores[e])[:4]
            assert trace.expert[layer, token].tolist() == chosen
            np.testing.assert_allclose(trace.gate[layer, token], probs[chosen], atol=1e-5)
            others += chosen[0] != int(np.argmax(probs))
    assert others > 20, "the bias must choose others than the largest gates"


def test_analysis_takes_such_a_trace(model: LoadedModel, tmp_path: Path) -> None:
    pictures = [picture(i) for i in range(len(PAIRS))]
    trace = model.trace(pictures, [caption for caption, _ in PAIRS], hidden=True)
    trace.save(tmp_path / "trace.npz")
    trace = type(trace).load(tmp_path / "trace.npz")
    frame = analysis.to_frame(trace)
    assert len(frame) == 2 * trace.num_tokens * 4
    assert frame["gate"].between(0, 1).all()
    assert len(analysis.roles(trace)) == 2 * 8
    assert len(analysis.modality_specialisation(trace)) == 2
