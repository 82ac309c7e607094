"""Pictures from the data set to the model's input, plain or augmented, inside jit.

Resampling is two batched matrix products, one per axis, so that it is as fast as the machine's
matrix rate and has no gather per pixel.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

#: Ranges of the augmentation: size of the picture on its canvas, stretch, and shift.
_SCALE = (0.7, 1.15)
_STRETCH = 1.12
_SHIFT = 0.12
#: Chances of a background that is not white, and of a picture in grey.
_COLOURED_BACKGROUND = 0.25
_GREY = 0.05


def plain(pictures: UInt8[Array, "B H W 4"], size: int) -> Float[Array, "B size size 3"]:
    """The pictures on white, resized: the deterministic input of evaluation, in [-1, 1]."""
    rgba = _premultiplied(pictures)
    batch = rgba.shape[0]
    ones, zeros = jnp.ones(batch), jnp.zeros(batch)
    resized = _resample(rgba, size, ones, ones, zeros, zeros)
    return _over(resized, jnp.ones((batch, 3))) * 2 - 1


def augment(
    pictures: UInt8[Array, "B H W 4"], key: jax.Array, size: int
) -> Float[Array, "B size size 3"]:
    """The pictures moved, scaled, stretched, recoloured, on a random background, in [-1, 1].

    Never flipped or turned: an arrow or a letter would no longer fit its name.
    """
    rgba = _premultiplied(pictures)
    batch = rgba.shape[0]
    keys = jax.random.split(key, 7)
    scale = jax.random.uniform(keys[0], (batch,), minval=_SCALE[0], maxval=_SCALE[1])
    stretch = _STRETCH ** jax.random.uniform(keys[1], (batch,), minval=-0.5, maxval=0.5)
    shift = jax.random.uniform(keys[2], (2, batch), minval=-_SHIFT, maxval=_SHIFT)
    moved = _resample(rgba, size, scale * stretch, scale / stretch, shift[0], shift[1])

    draw = jax.random.uniform(keys[3], (batch, 2))
    colour = jax.random.uniform(keys[4], (batch, 3))
    background = jnp.where(draw[:, :1] < _COLOURED_BACKGROUND, colour, 1.0)
    flat = _over(moved, background)
    return _recolour(flat, keys[5], grey=draw[:, 1] < _GREY) * 2 - 1


def _premultiplied(pictures: UInt8[Array, "B H W 4"]) -> Float[Array, "B H W 4"]:
    """Colours times opacity, both in [0, 1], which is what may be averaged."""
    rgba = pictures.astype(jnp.float32) / 255
    return jnp.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], axis=-1)


def _over(
    rgba: Float[Array, "B s s 4"], background: Float[Array, "B 3"]
) -> Float[Array, "B s s 3"]:
    return rgba[..., :3] + (1 - rgba[..., 3:]) * background[:, None, None, :]


def _weights(
    source: int, size: int, scale: Float[Array, " B"], shift: Float[Array, " B"]
) -> Float[Array, "B size source"]:
    """How much each source pixel counts in each target pixel: a triangle filter.

    The source is drawn `scale` times the target's width, moved by `shift` of it. The filter is as
    wide as a target pixel where the picture shrinks, so that it does not alias.
    """
    target = (jnp.arange(size) + 0.5) / size - 0.5
    centre = ((target[None] - shift[:, None]) / scale[:, None] + 0.5) * source - 0.5
    support = jnp.maximum(source / (size * scale), 1.0)[:, None, None]
    # Pixels beyond the edge count in the sum, as if they were there and empty.
    margin = 4
    pixel = jnp.arange(-margin, source + margin)
    weights = jnp.maximum(1 - jnp.abs(pixel - centre[..., None]) / support, 0.0)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    return (weights / jnp.maximum(total, 1e-6))[..., margin:-margin]


def _resample(
    rgba: Float[Array, "B H W 4"],
    size: int,
    scale_y: Float[Array, " B"],
    scale_x: Float[Array, " B"],
    shift_y: Float[Array, " B"],
    shift_x: Float[Array, " B"],
) -> Float[Array, "B size size 4"]:
    batch, height, width, channels = rgba.shape
    rows = _weights(height, size, scale_y, shift_y)
    columns = _weights(width, size, scale_x, shift_x)
    tall = jnp.matmul(rows, rgba.reshape(batch, height, width * channels))
    across = tall.reshape(batch, size, width, channels).transpose(0, 2, 1, 3)
    wide = jnp.matmul(columns, across.reshape(batch, width, size * channels))
    return wide.reshape(batch, size, size, channels).transpose(0, 2, 1, 3).clip(0, 1)


def _recolour(rgb: Float[Array, "B s s 3"], key: jax.Array, grey: Array) -> Float[Array, "B s s 3"]:
    """Brightness, contrast, saturation, a small mix of channels, and sometimes grey."""
    batch = rgb.shape[0]
    draws = jax.random.normal(key, (batch, 6)).clip(-2, 2)
    # All linear in the colours, so it is one 3×3 matrix and an offset per picture.
    luma = jnp.array([0.299, 0.587, 0.114])
    saturation = jnp.where(grey, 0.0, jnp.exp(0.2 * draws[:, 0]))[:, None, None]
    saturate = saturation * jnp.eye(3) + (1 - saturation) * luma[:, None]
    tint = jnp.exp(0.08 * draws[:, 1:4])[:, None, :]
    contrast = jnp.exp(0.15 * draws[:, 4])[:, None, None]
    matrix = saturate * tint * contrast
    offset = 0.5 * (1 - contrast) + 0.06 * draws[:, 5][:, None, None]
    mixed = jnp.matmul(rgb.reshape(batch, -1, 3), matrix) + offset
    return mixed.reshape(rgb.shape).clip(0, 1)
