"""Which step function each step of a run uses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from limoe_core.model.functional import FunctionalModel
from limoe_core.presets import preset
from limoe_core.training import loop


def test_the_last_steps_see_all_patches_and_no_function_is_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = preset("debug")
    settings = dataclasses.replace(base.train, steps=10, patch_keep=0.25, full_patch_steps=3)
    config = dataclasses.replace(base, train=settings)
    made: list[int] = []

    def make_train_step(*_: Any, patches: int) -> Any:
        made.append(patches)
        return patches

    monkeypatch.setattr(loop, "make_train_step", make_train_step)
    step_of = loop.StepFunctions(FunctionalModel.of(config), config)
    patches = config.model.patches
    assert [step_of(step) for step in range(1, 11)] == [patches // 4] * 7 + [patches] * 3
    assert made == [patches // 4, patches]
