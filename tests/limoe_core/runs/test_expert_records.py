"""Records of experts that do not fit their run are refused, each with what does not fit."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.config import ModelConfig
from limoe_core.runs import RunError, experts
from tests.limoe_core.expert_records import record_of
from tests.limoe_core.runs.examples import DEBUG, small_trace

STEP = 5
_ARRAYS = (
    "mean_probs", "token_entropy", "untrained", "others", "rises", "causal_tokens", "removed",
    "removal_losses", "right",
)  # fmt: skip


def rewritten(folder: Path, model: ModelConfig = DEBUG.model, step: int = STEP, **arrays: Any):
    """The record read again after some of its arrays were exchanged."""
    file = folder / "5.npz"
    experts.write(file, record_of(small_trace(), STEP))
    if arrays:
        with np.load(file) as stored:
            kept = dict(stored)
        np.savez_compressed(file, **(kept | arrays))
    return experts.read(file, step, model)


@settings(max_examples=40)
@given(st.sampled_from(_ARRAYS), st.integers(0, 4), st.booleans())
def test_an_array_of_another_shape_is_refused(name: str, axis: int, longer: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rewritten(Path(folder))
        with np.load(Path(folder) / "5.npz") as stored:
            array = stored[name]
        axis %= array.ndim
        some = range(array.shape[axis] + 1) if longer else range(array.shape[axis] - 1)
        other = np.take(array, some, axis, mode="clip")
        if name == "others" and axis == 2 and other.shape[2]:  # draws: any number will do
            rewritten(Path(folder), **{name: other})
            return
        with pytest.raises(RunError, match=r"5\.npz"):
            rewritten(Path(folder), **{name: other})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experts": 6}, "of another model"),
        ({"layers": 4}, "of another model"),
        ({"patch_size": 4}, "of another model"),
    ],
)
def test_a_record_of_another_model_is_refused(
    change: dict[str, int], words: str, tmp_path: Path
) -> None:
    rewritten(tmp_path)
    with pytest.raises(RunError, match=words):
        rewritten(tmp_path, dataclasses.replace(DEBUG.model, **change))


def test_a_record_of_another_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="of step 5, not 6"):
        rewritten(tmp_path, step=6)


@pytest.mark.parametrize(
    ("removed", "words"), [([0, 1, 3, 99], "at most 8 experts"), ([0, 3, 1, 6], "rising list")]
)
def test_experts_that_cannot_be_off_are_refused(
    removed: list[int], words: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=words):
        rewritten(tmp_path, removed=np.array(removed, np.uint32))


def test_counts_of_pairs_have_to_agree(tmp_path: Path) -> None:
    file, record = tmp_path / "5.npz", record_of(small_trace(), STEP)
    experts.write(file, dataclasses.replace(record, told={**record.told, "splits": {"a": 9}}))
    with pytest.raises(RunError, match="splits have 9 pairs, and its trace 2"):
        experts.read(file, STEP, DEBUG.model)
    others = dataclasses.replace(record.others, pairs=3)
    experts.write(file, dataclasses.replace(record, others=others))
    with pytest.raises(RunError, match="3 of 2 pairs"):
        experts.read(file, STEP, DEBUG.model)
