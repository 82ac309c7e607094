"""The baseline that looks alike: nearest training pictures by pixels, edges and colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from benchmarks.neighbours import FEATURES, baselines, by_edges_and_colour, ranks
from limoe_core.config import DataConfig
from tests.limoe_core.data.made_up_set import Shapes


def ellipse(colour: tuple[int, int, int], shift: int = 0) -> np.ndarray:
    picture = Image.new("RGBA", (72, 72))
    ImageDraw.Draw(picture).ellipse((10 + shift, 20, 50 + shift, 60), fill=(*colour, 255))
    return np.asarray(picture)


def test_edges_are_the_same_dark_on_light_and_light_on_dark() -> None:
    picture = np.full((72, 72, 4), 255, np.uint8)
    picture[20:50, 20:50, :3] = 0
    negative = picture.copy()
    negative[..., :3] = 255 - picture[..., :3]
    found = by_edges_and_colour(np.stack([picture, negative]))
    edges = 9 * 9 * 9
    np.testing.assert_allclose(found[0, :edges], found[1, :edges], atol=1e-5)
    assert np.abs(found[0, edges:] - found[1, edges:]).max() > 0.05


def test_a_small_shift_is_nearer_than_another_colour_or_shape() -> None:
    red, moved, blue = ellipse((220, 30, 30)), ellipse((220, 30, 30), 3), ellipse((30, 30, 220))
    for features in FEATURES.values():
        here, there, other = features(np.stack([red, moved, blue]))
        assert np.linalg.norm(here - there) < np.linalg.norm(here - other)


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**16))
def test_ranks_are_those_of_sorting_every_training_picture(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    test, train = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    name, known = rng.integers(0, 5, n), rng.integers(0, 4, m)
    for row, found in enumerate(ranks(test, name, train, known)):
        order = np.argsort(np.linalg.norm(train - test[row], axis=1))
        by_nearness = list(dict.fromkeys(known[order].tolist()))
        wanted = by_nearness.index(name[row]) if name[row] in by_nearness else len(by_nearness)
        assert found == wanted


def test_a_set_in_another_hand_is_found_by_its_shapes(tmp_path: Path) -> None:
    made, config = Shapes(), DataConfig(name="made_up_shapes", dir=str(tmp_path))
    made.build(config)
    train, test = made.load(config, "train"), made.load(config, "new_hand")
    for found in baselines(train, test).values():
        assert found["top1"]["value"] > 0.5
        assert found["top1"]["low"] <= found["top1"]["value"] <= found["top5"]["value"]
