"""What a run, a model and a trace print of themselves: a few lines, and right."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import limoe_core
from limoe_core.config import ModelConfig
from limoe_core.runs import Run
from tests.shipped import DENSE, LAYERS, LIMOE, STEPS

MODEL = LIMOE.config.model


@pytest.fixture(scope="module")
def model() -> limoe_core.LoadedModel:
    return limoe_core.load(LIMOE.path, STEPS[0])


def fits(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) <= 5 and all(len(line) <= 120 for line in lines)


def test_a_model_says_its_run_step_size_and_data(model: limoe_core.LoadedModel) -> None:
    shown = repr(model)
    assert fits(shown)
    for fact in (
        f"{LIMOE.name!r}",
        f"step {STEPS[0]}",
        f"{MODEL.layers} blocks of width {MODEL.width}; {MODEL.experts} experts in blocks "
        f"{', '.join(map(str, LAYERS))}, top {MODEL.top_k}",
        f"{LIMOE.info['parameters']:,} parameters",
        f"{MODEL.image_size}×{MODEL.image_size} pixels in {MODEL.patches} patches",
        f"{MODEL.vocab_size:,} pieces",
        LIMOE.info["data"]["name"],
    ):
        assert fact in shown


def test_a_model_without_a_run_says_what_it_has(model: limoe_core.LoadedModel) -> None:
    shown = repr(dataclasses.replace(model, run=None))
    assert fits(shown)
    assert f"LoadedModel(step {STEPS[0]})" in shown


def test_a_run_says_its_checkpoints() -> None:
    shown = repr(LIMOE)
    assert shown.startswith(f"Run({str(LIMOE.path)!r})\n")
    assert len(shown.splitlines()) <= 5
    assert f"{', '.join(map(str, STEPS))} of {LIMOE.config.train.steps} steps" in shown
    assert f"no experts; {DENSE.info['parameters']:,} parameters" in repr(DENSE)


def test_a_summary_says_how_routers_differ_from_the_papers() -> None:
    paper = ModelConfig()
    assert paper.variations == ()
    changed = dataclasses.replace(paper, shared_dim=8, router="frozen", balance="modality")
    assert changed.summary == (
        f"{paper.summary}, a shared expert, frozen routers, balanced per modality"
    )
    assert dataclasses.replace(paper, balance="all").variations == ("balanced without a loss",)
    assert dataclasses.replace(paper, experts=0, router="frozen").variations == ()


def test_a_run_that_has_only_begun_or_is_gone_prints_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    shutil.copy(LIMOE.path / "config.json", tmp_path / "young")
    run = Run.open(tmp_path / "young")
    assert f"none yet of {LIMOE.config.train.steps} steps" in repr(run)
    shutil.rmtree(tmp_path / "young")
    assert "none yet" in repr(run)


def test_a_trace_says_its_counts() -> None:
    trace = LIMOE.probe(LIMOE.probe_steps()[-1])
    shown = repr(trace)
    assert fits(shown)
    dropped, choices = np.count_nonzero(trace.dropped), len(LAYERS) * len(trace.modality)
    for fact in (
        f"pairs={len(trace.captions)}",
        f"tokens={len(trace.modality)}",
        f"{np.count_nonzero(trace.modality == 0):,} image tokens",
        f"{np.count_nonzero(trace.modality == 1):,} text tokens",
        f"blocks {', '.join(map(str, LAYERS))}; {MODEL.experts} experts, top {MODEL.top_k}",
        f"{dropped:,} of {choices:,} choices dropped",
        "category",
    ):
        assert fact in shown
    assert "inputs" not in shown


def test_a_trace_with_nothing_in_it_prints_all_the_same(model: limoe_core.LoadedModel) -> None:
    pieces = np.count_nonzero(model.tokenizer.encode(["a"], MODEL.text_length))
    assert f"pairs=1, tokens={pieces}" in repr(model.trace([None], ["a"], hidden=True))
    assert fits(repr(LIMOE.probe(LIMOE.probe_steps()[-1]).select([])))
