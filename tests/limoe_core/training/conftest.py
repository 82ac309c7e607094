"""A made-up data set that training can start on at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from limoe_core.config import Config, DataConfig
from limoe_core.data.registry import DATA_SETS
from limoe_core.presets import preset
from tests.limoe_core.data.made_up_set import Shapes


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings of a tiny model of coloured shapes, of which a test may change what it likes."""
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    config = preset("debug")
    return replace(
        config,
        model=replace(config.model, vocab_size=290, layers=1),
        data=DataConfig(name=Shapes.name, dir=str(tmp_path / "data"), batch_size=8),
        train=replace(config.train, steps=20, probe_pairs=4),
    )
