"""Pictures of a data set that the dashboard has never heard of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analysis
from analysis.recipes import record
from app.server import recorded
from app.server.datasets import can_build, is_built, other_data
from app.views.zero_shot import pool as pools
from limoe_core.config import Config, DataConfig
from limoe_core.data import identity
from limoe_core.data.registry import DATA_SETS
from limoe_core.data.source import load_pairs, resolved
from limoe_core.runs import Run
from tests.limoe_core.data import own_pairs
from tests.limoe_core.data.made_up_set import Shapes, concepts


def test_the_pool_holds_what_a_new_set_says_that_training_never_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    config = DataConfig(name=Shapes.name, dir=str(tmp_path))
    assert can_build(config) and not is_built(config)
    load_pairs(config, "train")
    assert is_built(config) and not can_build(config)
    run = Run.create(tmp_path / "run", Config(data=config))
    settings = recorded.opened(run).attribute("config").attribute("data")
    pool = pools.of_set(record(analysis.data_pictures, settings))
    assert list(dict.fromkeys(pool.splits)) == ["new_hand", "new_shape"]
    assert len(pool) == 12
    assert list(pool.texts) == ["en", "de"]
    assert pool.texts["de"] == tuple(concepts().names["de"])
    first = load_pairs(config, "new_hand")
    assert pool.names[0] == first.concepts.names["en"][first.concept[0]]
    drawn = first.pictures[0]
    white = np.where(drawn[..., 3:] > 0, drawn[..., :3], 255)
    np.testing.assert_array_equal(pool.pictures[0], white)
    shown = pools.first_ones(pool, 4)
    assert [pool.categories[i] for i in shown] == ["bar", "square", "stripe", "bar"]
    assert {pool.splits[i] for i in shown} == {"new_hand"}
    assert "frame" in {pool.categories[i] for i in pools.some_of_all(pool, 8)}


def test_data_of_another_content_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, Shapes.name, Shapes())
    data = DataConfig(name=Shapes.name, config="plain", dir=str(tmp_path / "data"))

    def trained(name: str, about: dict[str, Any]) -> Run:
        return Run.create(tmp_path / name, Config(data=data), data=about)

    splits = {split: load_pairs(data, split) for split in ("train", "validation")}
    about = identity.recorded(data, splits)
    assert other_data(trained("same", about)) is None
    assert other_data(trained("of-an-earlier-version", {"name": about["name"]})) is None
    found = other_data(trained("other", {"name": f"{Shapes.name}/glossy:1"}))
    assert found is not None
    assert (
        "other was trained on made_up_shapes/glossy:1, and here is made_up_shapes/plain:1" in found
    )
    repainted = {**about, "splits": {"validation": {"pictures": 9, "digest": "0" * 32}}}
    found = other_data(trained("repainted", repainted))
    assert found is not None
    assert "has other content here than when repainted was trained on it" in found


def test_a_set_without_unseen_splits_has_no_pool(tmp_path: Path) -> None:
    config = DataConfig(name="of_someone_else", dir=str(tmp_path))
    assert not is_built(config) and not can_build(config)


@pytest.mark.parametrize("write", [own_pairs.csv_folder, own_pairs.classes_folder])
def test_the_pool_holds_your_own_pairs_each_under_a_name_of_its_own(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    data = DataConfig(path=str(write(tmp_path / "things")), dir=str(tmp_path / "data"))
    config = resolved(data)
    assert can_build(config) and not is_built(config)
    load_pairs(config, "train", progress=False)
    assert is_built(config) and not can_build(config)
    run = Run.create(tmp_path / "run", Config(data=config))
    settings = recorded.opened(run).attribute("config").attribute("data")
    pool = pools.of_set(record(analysis.data_pictures, settings))
    assert set(pool.splits) == {"test", "validation"}
    assert len(pool.place) == len(pool) and all(map(pools.valid_id, pool.ids))
    pairs = {split: load_pairs(config, split, progress=False) for split in set(pool.splits)}
    named = [
        str(pairs[split].concepts.names["en"][c])
        for split in dict.fromkeys(pool.splits)
        for c in pairs[split].concept
    ]
    assert list(pool.names) == named
