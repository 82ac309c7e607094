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

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"


@pytest.fixture(scope="module")
def model() -> limoe_core.LoadedModel:
    return limoe_core.load(SHIPPED / "limoe-emoji", 500)


def fits(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) <= 5 and all(len(line) <= 120 for line in lines)


def test_a_model_says_its_run_step_size_and_data(model: limoe_core.LoadedModel) -> None:
    shown = repr(model)
    assert fits(shown)
    for fact in (
        "'limoe-emoji'",
        "step 500",
        "6 blocks of width 128; 8 experts in blocks 2, 4, 6, top 1",
        "4,187,009 parameters",
        "64×64 pixels in 64 patches",
        "8,192 pieces",
        "emoji/full:1.0.0",
    ):
        assert fact in shown


def test_a_model_without_a_run_says_what_it_has(model: limoe_core.LoadedModel) -> None:
    shown = repr(dataclasses.replace(model, run=None))
    assert fits(shown)
    assert "LoadedModel(step 500)" in shown


def test_a_run_says_its_checkpoints() -> None:
    shown = repr(Run.open(SHIPPED / "limoe-emoji"))
    assert shown.startswith(f"Run({str(SHIPPED / 'limoe-emoji')!r})\n")
    assert len(shown.splitlines()) <= 5
    assert "500, 1000, 2000, 3000, 4500 of 4500 steps" in shown
    assert "no experts; 2,108,801 parameters" in repr(Run.open(SHIPPED / "dense-emoji"))


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
    shutil.copy(SHIPPED / "limoe-emoji" / "config.json", tmp_path / "young")
    run = Run.open(tmp_path / "young")
    assert "none yet of 4500 steps" in repr(run)
    shutil.rmtree(tmp_path / "young")
    assert "none yet" in repr(run)


def test_a_trace_says_its_counts() -> None:
    trace = Run.open(SHIPPED / "limoe-emoji").probe(4500)
    shown = repr(trace)
    assert fits(shown)
    dropped, choices = np.count_nonzero(trace.dropped), 3 * len(trace.modality)
    for fact in (
        f"pairs={len(trace.captions)}",
        f"tokens={len(trace.modality)}",
        f"{np.count_nonzero(trace.modality == 0):,} image tokens",
        f"{np.count_nonzero(trace.modality == 1):,} text tokens",
        "blocks 2, 4, 6; 8 experts, top 1",
        f"{dropped:,} of {choices:,} choices dropped",
        "category",
    ):
        assert fact in shown
    assert "inputs" not in shown


def test_a_trace_with_nothing_in_it_prints_all_the_same(model: limoe_core.LoadedModel) -> None:
    assert "pairs=1, tokens=2" in repr(model.trace([None], ["a"], hidden=True))
    assert fits(repr(Run.open(SHIPPED / "limoe-emoji").probe(4500).select([])))
