"""Pictures of the data set as the model's input, plain or augmented, inside jit.

Resampling is two batched matrix products, one per axis, so that it runs at the machine's matrix
rate and needs no gather per pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt8

from limoe_core.precision import exact_float32

#: Ranges of the augmentation: size of the picture on its canvas, stretch, and shift.
_SCALE = (0.7, 1.15)
_STRETCH = 1.12
_SHIFT = 0.12
#: Probabilities of a background that is not white, and of a grey picture.
_COLOURED_BACKGROUND = 0.25
_GREY = 0.05


class _Placement(NamedTuple):
    """Size and place of each picture on its canvas."""

    scale_y: Float[Array, " B"]
    """Of the canvas' height."""
    scale_x: Float[Array, " B"]
    shift_y: Float[Array, " B"]
    """Of the canvas' height, downwards."""
    shift_x: Float[Array, " B"]


class _Colours(NamedTuple):
    """Change of a picture's colours: background first, then a linear map."""

    background: Float[Array, "B 3"]
    matrix: Float[Array, "B 3 3"]
    """colour @ matrix"""
    offset: Float[Array, "B 1"]


def plain(pictures: UInt8[Array, "B H W 4"], size: int) -> Float[Array, "B size size 3"]:
    """The pictures on white, resized: the deterministic input of evaluation, in [-1, 1]."""
    batch = pictures.shape[0]
    ones, zeros = jnp.ones(batch), jnp.zeros(batch)
    same = jnp.broadcast_to(jnp.eye(3), (batch, 3, 3))
    colours = _Colours(jnp.ones((batch, 3)), same, jnp.zeros((batch, 1)))
    return _draw(pictures, size, _Placement(ones, ones, zeros, zeros), colours)


def augment(
    pictures: UInt8[Array, "B H W 4"], key: jax.Array, size: int
) -> Float[Array, "B size size 3"]:
    """The pictures augmented, in [-1, 1].

    Moved, scaled, stretched, recoloured, and on a random background.
    Never flipped or rotated: an arrow or a letter would no longer match its name.
    """
    batch = pictures.shape[0]
    keys = jax.random.split(key, 7)
    scale = jax.random.uniform(keys[0], (batch,), minval=_SCALE[0], maxval=_SCALE[1])
    stretch = _STRETCH ** jax.random.uniform(keys[1], (batch,), minval=-0.5, maxval=0.5)
    shift = jax.random.uniform(keys[2], (2, batch), minval=-_SHIFT, maxval=_SHIFT)
    placement = _Placement(scale * stretch, scale / stretch, shift[0], shift[1])

    draw = jax.random.uniform(keys[3], (batch, 2))
    colour = jax.random.uniform(keys[4], (batch, 3))
    background = jnp.where(draw[:, :1] < _COLOURED_BACKGROUND, colour, 1.0)
    colours = _Colours(background, *_recolouring(keys[5], batch, grey=draw[:, 1] < _GREY))
    return _draw(pictures, size, placement, colours)


@exact_float32()
def _draw(
    pictures: UInt8[Array, "B H W 4"], size: int, placement: _Placement, colours: _Colours
) -> Float[Array, "B size size 3"]:
    """Resample and recolour the pictures; both are linear, so pixels are recoloured first.

    A pixel of colour c and opacity a on background b, mapped by M, is a·(c − b)·M + b·M. Only the
    first summand varies within the picture: three planes to resample, where colours and opacity
    would be four, and no product of all target pixels with 3×3 matrices, which is slow.
    """
    batch, height, width, _ = pictures.shape
    pixels = pictures.astype(jnp.float32) / 255
    opacity = pixels[..., 3]
    ground = jnp.einsum("bi,bij->bj", colours.background, colours.matrix)

    def plane(j: int) -> Float[Array, "B H W"]:
        mapped = sum(pixels[..., i] * colours.matrix[:, i, j, None, None] for i in range(3))
        return opacity * (mapped - ground[:, j, None, None])

    # Planes lie row by row, so that neither product needs a transposed factor.
    planes = jnp.stack([plane(j) for j in range(3)], axis=2).reshape(batch, height, 3 * width)
    rows = _weights(height, size, placement.scale_y, placement.shift_y)
    columns = _weights(width, size, placement.scale_x, placement.shift_x)
    tall = jnp.matmul(rows, planes).reshape(batch, size * 3, width)
    drawn = jnp.matmul(tall, columns.mT).reshape(batch, size, 3, size)
    flat = drawn + (ground + colours.offset)[:, None, :, None]
    return flat.clip(0, 1).swapaxes(2, 3) * 2 - 1


def _weights(
    source: int, size: int, scale: Float[Array, " B"], shift: Float[Array, " B"]
) -> Float[Array, "B size source"]:
    """Weight of each source pixel in each target pixel: a triangle filter.

    The source is drawn at `scale` times the target's width, moved by `shift` of it. The filter is
    as wide as a target pixel where the picture shrinks, so that nothing aliases.
    """
    target = (jnp.arange(size) + 0.5) / size - 0.5
    centre = ((target[None] - shift[:, None]) / scale[:, None] + 0.5) * source - 0.5
    support = jnp.maximum(source / (size * scale), 1.0)[:, None, None]
    # Pixels beyond the edge count in the sum as empty ones.
    margin = 4
    pixel = jnp.arange(-margin, source + margin)
    weights = jnp.maximum(1 - jnp.abs(pixel - centre[..., None]) / support, 0.0)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    return (weights / jnp.maximum(total, 1e-6))[..., margin:-margin]


def _recolouring(
    key: jax.Array, batch: int, grey: Bool[Array, " B"]
) -> tuple[Float[Array, "B 3 3"], Float[Array, "B 1"]]:
    """Brightness, contrast, saturation, a small mix of channels, and sometimes grey.

    All linear in the colours, so it is one 3×3 matrix and an offset per picture.
    """
    draws = jax.random.normal(key, (batch, 6)).clip(-2, 2)
    luma = jnp.array([0.299, 0.587, 0.114])
    saturation = jnp.where(grey, 0.0, jnp.exp(0.2 * draws[:, 0]))[:, None, None]
    saturate = saturation * jnp.eye(3) + (1 - saturation) * luma[:, None]
    tint = jnp.exp(0.08 * draws[:, 1:4])[:, None, :]
    contrast = jnp.exp(0.15 * draws[:, 4])[:, None]
    offset = 0.5 * (1 - contrast) + 0.06 * draws[:, 5][:, None]
    return saturate * tint * contrast[..., None], offset
