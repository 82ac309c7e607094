"""The emoji set's config `base`, built once, and a tokenizer of its captions."""

from __future__ import annotations

from pathlib import Path

import pytest

from limoe_core.config import DataConfig
from limoe_core.data.pairs import PairSet
from limoe_core.data.source import load_pairs
from limoe_core.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def base(data_dir: Path) -> DataConfig:
    return DataConfig(config="base", dir=str(data_dir))


@pytest.fixture(scope="session")
def splits(base: DataConfig) -> dict[str, PairSet]:
    names = ("train", "validation", "test_concept", "test_style")
    return {name: load_pairs(base, name, progress=False) for name in names}


@pytest.fixture(scope="session")
def tokenizer(splits: dict[str, PairSet]) -> Tokenizer:
    return Tokenizer.train(splits["train"].captions(), 4096)
