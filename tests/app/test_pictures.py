"""Pictures of a data set that the dashboard has never heard of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.views.zero_shot import pictures
from limoe_core.config import DataConfig
from limoe_core.data.registry import DATA_SETS
from limoe_core.data.source import load_pairs
from tests.limoe_core.data.made_up_set import Shapes, concepts


def test_the_pool_holds_what_a_new_set_says_that_training_never_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    config = DataConfig(name=Shapes.name, dir=str(tmp_path))
    assert not pictures.is_built(config)
    load_pairs(config, "train")
    assert pictures.is_built(config)
    pool = pictures._of_data(config, lambda done, of: None)
    assert list(dict.fromkeys(pool.splits)) == ["new_hand", "new_shape"]
    assert len(pool) == 12
    assert list(pool.texts) == ["en", "de"]
    assert pool.text_keys == tuple(concepts().keys)
    first = load_pairs(config, "new_hand")
    assert pool.names[0] == first.concepts.names["en"][first.concept[0]]
    drawn = first.pictures[0]
    white = np.where(drawn[..., 3:] > 0, drawn[..., :3], 255)
    np.testing.assert_array_equal(pool.pictures[0], white)
    shown = pictures.spread(pool, 4)
    assert [pool.categories[i] for i in shown] == ["bar", "frame", "square", "stripe"]


def test_a_set_without_unseen_splits_has_no_pool(tmp_path: Path) -> None:
    assert not pictures.is_built(DataConfig(name="of_someone_else", dir=str(tmp_path)))
