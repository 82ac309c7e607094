"""Pictures as the model sees them, plain and augmented."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from limoe_core.data import augment as data_augment
from limoe_core.data.pairs import PairSet
from limoe_core.data.preprocess import to_model_input

# As the training step uses them.
plain = jax.jit(data_augment.plain, static_argnums=1)
augment = jax.jit(data_augment.augment, static_argnums=2)

WHITE, BLACK = (255, 255, 255, 255), (0, 0, 0, 255)


def solid(colour: tuple[int, int, int, int], count: int = 1) -> np.ndarray:
    return np.tile(np.array(colour, np.uint8), (count, 72, 72, 1))


def test_white_is_one_and_black_is_minus_one_away_from_the_edge() -> None:
    pictures = np.concatenate([solid(WHITE), solid(BLACK)])
    seen = np.asarray(plain(pictures, 64))
    assert seen.shape == (2, 64, 64, 3)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[0], 1, atol=1e-6)
    np.testing.assert_allclose(seen[1, 2:-2, 2:-2], -1, atol=1e-6)


def test_transparent_pixels_are_white_whatever_colour_hides_in_them() -> None:
    np.testing.assert_allclose(np.asarray(plain(solid((255, 0, 0, 0)), 64)), 1, atol=1e-6)


def test_half_transparent_red_lets_the_white_through() -> None:
    middle = np.asarray(plain(solid((255, 0, 0, 128)), 64))[0, 32, 32]
    np.testing.assert_allclose(middle, [1, 1 - 256 / 255, 1 - 256 / 255], atol=1e-5)


def test_the_same_size_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, 72, 72, 4), dtype=np.uint8)
    picture[..., 3] = 255
    expected = picture[..., :3].astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(np.asarray(plain(picture, 72)), expected, atol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 72, 100])
def test_plain_is_what_pillow_makes_of_an_emoji(splits: dict[str, PairSet], size: int) -> None:
    """Pillow's antialiased bilinear filter, on a picture with white all around."""
    pictures = splits["validation"].pictures.batch(range(0, 180, 12))
    seen = np.asarray(plain(pictures, size))
    for picture, found in zip(pictures, seen, strict=True):
        wide = Image.new("RGBA", (72 * 3, 72 * 3), WHITE)
        wide.alpha_composite(Image.fromarray(picture), (72, 72))
        resized = wide.convert("RGB").resize((size, size), Image.BILINEAR, box=(72, 72, 144, 144))
        # Pillow rounds to whole numbers twice.
        np.testing.assert_allclose(found, np.asarray(resized) / 127.5 - 1, atol=0.012)
        np.testing.assert_allclose(found, to_model_input(picture, size), atol=0.012)


def test_augmentation_depends_on_its_key_alone(splits: dict[str, PairSet]) -> None:
    pictures = splits["validation"].pictures.batch(range(8))
    first = np.asarray(augment(pictures, jax.random.key(0), 64))
    assert first.shape == (8, 64, 64, 3)
    assert first.dtype == np.float32
    assert first.min() >= -1
    assert first.max() <= 1
    np.testing.assert_array_equal(first, np.asarray(augment(pictures, jax.random.key(0), 64)))
    assert np.abs(first - np.asarray(augment(pictures, jax.random.key(1), 64))).mean() > 0.05


def test_every_picture_of_a_batch_is_changed_in_its_own_way() -> None:
    picture = np.zeros((1, 72, 72, 4), np.uint8)
    picture[:, 20:52, 20:52] = (200, 30, 30, 255)
    seen = np.asarray(augment(np.repeat(picture, 16, 0), jax.random.key(0), 64))
    distinct = {each.tobytes() for each in seen}
    assert len(distinct) == 16


def test_pictures_are_never_flipped_or_turned() -> None:
    """A quarter at the top left that is unlike the others stays there."""
    picture = solid(BLACK)
    picture[:, :36, :36] = WHITE
    seen = np.asarray(augment(np.repeat(picture, 256, 0), jax.random.key(3), 64)).mean(-1)
    black = seen[:, 41:45, 41:45].mean((1, 2), keepdims=True)  # or white, in a negative
    inner = np.abs(seen[:, 14:50, 14:50] - black)
    quarters = [
        inner[:, :12, :12], inner[:, :12, -12:], inner[:, -12:, :12], inner[:, -12:, -12:]
    ]  # fmt: skip
    means = np.stack([quarter.mean((1, 2)) for quarter in quarters], 1)
    assert (means.argmax(1) == 0).all()


def test_pictures_move_and_change_size_both_ways() -> None:
    picture = np.zeros((1, 72, 72, 4), np.uint8)
    picture[:, 18:54, 18:54] = BLACK
    pixels = np.asarray(augment(np.repeat(picture, 512, 0), jax.random.key(4), 72)).mean(-1)
    # Ink against each picture's own ground, so that its colours do not matter.
    ground = np.median(pixels[:, :2].reshape(512, -1), axis=1)[:, None, None]
    ink = np.abs(pixels - ground)
    ink = ink / ink.max((1, 2), keepdims=True) > 0.5
    clear = np.abs(pixels - ground).max((1, 2)) > 0.5  # dark on dark tells nothing
    ink = ink[clear]
    width = ink.any(1).sum(1)
    left = ink.any(1).argmax(1)
    assert clear.mean() > 0.8
    assert width.min() < 36 * 0.85
    assert width.max() > 36 * 1.08
    centre = left + width / 2 - 36
    assert centre.min() < -4
    assert centre.max() > 4
    assert abs(centre.mean()) < 1


def test_white_is_the_background_most_of_the_time() -> None:
    seen = np.asarray(augment(solid((0, 0, 0, 0), 512), jax.random.key(5), 16))
    spread = seen.reshape(512, -1, 3)
    np.testing.assert_allclose(spread.std(1), 0, atol=1e-5)  # one colour all over
    bright = spread.mean((1, 2)) > 0.6
    assert 0.65 < bright.mean() < 0.9


def test_colours_change_a_little_and_keep_their_order_mostly() -> None:
    seen = np.asarray(augment(solid((220, 40, 40, 255), 512), jax.random.key(6), 16))
    middle = seen[:, 8, 8]
    assert middle.std(0).min() > 0.03
    red_first = (middle[:, 0] > middle[:, 1] + 0.2) & (middle[:, 0] > middle[:, 2] + 0.2)
    assert 0.85 < red_first.mean() < 1  # the rest is grey


def test_some_pictures_are_negatives() -> None:
    seen = np.asarray(augment(solid((10, 10, 10, 255), 512), jax.random.key(7), 16))
    assert 0.02 < (seen[:, 8, 8].mean(1) > 0).mean() < 0.09


def test_a_warp_keeps_the_order_of_pixels_and_flat_pictures_flat() -> None:
    """Weights of every target pixel sum to one, and their centres rise from left to right."""
    warp = jnp.stack([jnp.full(64, data_augment._WARP), jnp.linspace(0, 2 * jnp.pi, 64)], 1)
    ones = jnp.ones(64)
    weights = np.asarray(data_augment._weights(72, 64, 0.7 * ones, 0 * ones, warp, 2 * ones))
    inside = weights.sum(-1) > 0.999
    assert inside.sum(1).min() > 35
    centres = weights @ np.arange(72) / np.maximum(weights.sum(-1), 1e-6)
    for of_picture, known in zip(centres, inside, strict=True):
        assert (np.diff(of_picture[known]) > 0).all()


def test_turned_hues_leave_greys_and_brightness() -> None:
    turn = np.asarray(data_augment._turned_hues(jnp.array([0.0, 0.5, 2 * jnp.pi / 3])))
    np.testing.assert_allclose(turn[0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(turn.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(turn.sum(2), 1, atol=1e-6)
    np.testing.assert_allclose(np.abs(turn[2]).round(5).sum(), 3)  # channels change places


def test_numbers_that_are_drawn_at_once_are_those_that_jax_draws_one_by_one() -> None:
    keys = jax.random.split(jax.random.key(3), 4)
    shapes = [(5,), (2, 5), (5, 7), (5, 2, 2)]
    drawn = data_augment.drawn(keys, shapes)
    for key, shape, found in zip(keys, shapes, drawn, strict=True):
        np.testing.assert_array_equal(found, jax.random.uniform(key, shape))
    expected = jax.random.normal(keys[2], shapes[2])
    np.testing.assert_allclose(data_augment.normal(drawn[2]), expected, rtol=1e-6, atol=1e-7)
