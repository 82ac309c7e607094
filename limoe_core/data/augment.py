"""Pictures of the data set as the model's input, plain or augmented, inside jit.

Resampling is two batched matrix products, one per axis, so that it runs at the machine's matrix
rate and needs no gather per pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8

from limoe_core.precision import exact_float32

#: Ranges of the augmentation: size of the picture on its canvas, stretch, and shift.
_SCALE = (0.7, 1.15)
_STRETCH = 1.12
_SHIFT = 0.12
#: Largest displacement of a pixel by the warp of an axis, of the canvas' width.
_WARP = 0.04
#: Most that a filter is widened, so that lines of all weights and blurred ones are seen.
_BLUR = 2.0
#: Probabilities of a background that is not white, of a grey picture, of a negative and of a blur.
_COLOURED_BACKGROUND = 0.25
_GREY = 0.1
_NEGATIVE = 0.05
_BLURRED = 0.3
#: Spread of the turn of hues, in radians.
_HUE = 0.15


class _Placement(NamedTuple):
    """Size and place of each picture on its canvas."""

    scale_y: Float[Array, " B"]
    """Of the canvas' height."""
    scale_x: Float[Array, " B"]
    shift_y: Float[Array, " B"]
    """Of the canvas' height, downwards."""
    shift_x: Float[Array, " B"]
    warp: Float[Array, "B 2 2"]
    """Of each axis (y, x): largest displacement, of the canvas' width, and phase in radians."""
    blur: Float[Array, " B"]
    """How much wider than needed the filter is; at least 1."""


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
    placement = _Placement(ones, ones, zeros, zeros, jnp.zeros((batch, 2, 2)), ones)
    return _draw(pictures, size, placement, colours)


def augment(
    pictures: UInt8[Array, "B H W 4"], key: jax.Array, size: int
) -> Float[Array, "B size size 3"]:
    """The pictures augmented, in [-1, 1].

    Moved, scaled, stretched, bent along either axis, blurred, recoloured, and on a random
    background. Never flipped or rotated: an arrow or a letter would no longer match its name.
    """
    batch = pictures.shape[0]
    one, two, three = (batch,), (2, batch), (batch, 3)
    sizes, widths, shifts, kinds, colour, hues, bends, blurs = drawn(
        jax.random.split(key, 8), (one, one, two, three, three, (batch, 7), (batch, 2, 2), two)
    )
    scale = _between(*_SCALE, sizes)
    stretch = _STRETCH ** (widths - 0.5)
    shift = _between(-_SHIFT, _SHIFT, shifts)
    bend = bends * jnp.array([_WARP, 2 * jnp.pi])
    blur = jnp.where(blurs[0] < _BLURRED, _BLUR ** blurs[1], 1.0)
    placement = _Placement(scale * stretch, scale / stretch, shift[0], shift[1], bend, blur)

    background = jnp.where(kinds[:, :1] < _COLOURED_BACKGROUND, colour, 1.0)
    matrix, offset = _recolouring(hues, grey=kinds[:, 1] < _GREY, negative=kinds[:, 2] < _NEGATIVE)
    colours = _Colours(background, matrix, offset)
    return _draw(pictures, size, placement, colours)


def drawn(keys: Key[Array, " k"], shapes: Sequence[tuple[int, ...]]) -> list[Float[Array, ...]]:
    """Numbers in [0, 1) of each key, the same that `jax.random.uniform` gives for its shape.

    Drawn all at once: the generator is a long program, which would be compiled for every shape.
    """
    sizes = [math.prod(shape) for shape in shapes]
    # A key's number depends on its place alone, and not on how many there are.
    numbers = jax.vmap(lambda key: jax.random.uniform(key, (max(sizes),)))(keys)
    return [
        own[:size].reshape(shape) for own, size, shape in zip(numbers, sizes, shapes, strict=True)
    ]


def normal(uniform: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Numbers in [0, 1) as those of the normal distribution that `jax.random.normal` gives."""
    lowest = float(np.nextafter(np.float32(-1), np.float32(0)))
    return math.sqrt(2) * jax.lax.erf_inv(jnp.maximum(_between(lowest, 1.0, uniform), lowest))


def _between(low: float, high: float, share: Float[Array, "*n"]) -> Float[Array, "*n"]:
    return share * (high - low) + low


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
    warp, blur = placement.warp, placement.blur
    rows = _weights(height, size, placement.scale_y, placement.shift_y, warp[:, 0], blur)
    columns = _weights(width, size, placement.scale_x, placement.shift_x, warp[:, 1], blur)
    tall = jnp.matmul(rows, planes).reshape(batch, size * 3, width)
    drawn = jnp.matmul(tall, columns.mT).reshape(batch, size, 3, size)
    flat = drawn + (ground + colours.offset)[:, None, :, None]
    return flat.clip(0, 1).swapaxes(2, 3) * 2 - 1


def _weights(
    source: int,
    size: int,
    scale: Float[Array, " B"],
    shift: Float[Array, " B"],
    warp: Float[Array, "B 2"],
    blur: Float[Array, " B"],
) -> Float[Array, "B size source"]:
    """Weight of each source pixel in each target pixel: a triangle filter.

    The source is drawn at `scale` times the target's width, moved by `shift` of it and bent by one
    wave over its width. The filter is as wide as a target pixel where the picture shrinks, so that
    nothing aliases, and `blur` times as wide.
    """
    target = (jnp.arange(size) + 0.5) / size - 0.5
    bent = warp[:, :1] * jnp.sin(2 * jnp.pi * target + warp[:, 1:]) / scale[:, None]
    # The bend comes last, so that none leaves evaluation's pictures bitwise as they are.
    centre = ((target[None] - shift[:, None]) / scale[:, None] + 0.5) * source - 0.5
    centre += bent * source
    support = (blur * jnp.maximum(source / (size * scale), 1.0))[:, None, None]
    # Pixels beyond the edge count in the sum as empty ones.
    margin = 4
    pixel = jnp.arange(-margin, source + margin)
    weights = jnp.maximum(1 - jnp.abs(pixel - centre[..., None]) / support, 0.0)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    return (weights / jnp.maximum(total, 1e-6))[..., margin:-margin]


@exact_float32()
def _recolouring(
    uniform: Float[Array, "B 7"], grey: Bool[Array, " B"], negative: Bool[Array, " B"]
) -> tuple[Float[Array, "B 3 3"], Float[Array, "B 1"]]:
    """Brightness, contrast, saturation, tint, a small turn of hues, sometimes grey or a negative.

    All linear in the colours, so it is one 3×3 matrix and an offset per picture.

    Args:
      uniform: in [0, 1).
    """
    draws = normal(uniform).clip(-2, 2)
    luma = jnp.array([0.299, 0.587, 0.114])
    saturation = jnp.where(grey, 0.0, jnp.exp(0.2 * draws[:, 0]))[:, None, None]
    saturate = saturation * jnp.eye(3) + (1 - saturation) * luma[:, None]
    tint = jnp.exp(0.08 * draws[:, 1:4])[:, None, :]
    contrast = jnp.exp(0.15 * draws[:, 4])[:, None]
    offset = 0.5 * (1 - contrast) + 0.06 * draws[:, 5][:, None]
    matrix = saturate @ _turned_hues(_HUE * draws[:, 6]) * tint * contrast[..., None]
    return (
        jnp.where(negative[:, None, None], -matrix, matrix),
        jnp.where(negative[:, None], 1 - offset, offset),
    )


def _turned_hues(angle: Float[Array, " B"]) -> Float[Array, "B 3 3"]:
    """Rotations of colours about the axis of greys, which stay as they are."""
    cosine, sine = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    across = jnp.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]]) / jnp.sqrt(3.0)
    return cosine * jnp.eye(3) + (1 - cosine) / 3 + sine * across
