"""Pictures as the model saw them, and the grid of the tokens that they became."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

#: Of the WebP files that are kept.
_QUALITY = 90
_WHITE = 255


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """A picture and its tokens."""

    rows: int
    columns: int
    """The grid of its tokens; 1 × n where they are not the cells of a grid."""
    width: int
    height: int
    """In pixels, as the model saw it."""
    content: bytes
    """A WebP file."""
    is_grid: bool
    """Whether each token is of one cell; if not, each is of the whole picture."""


def tokens_of(inputs: Mapping[str, Any], processor: Any) -> list[int] | None:
    """The number of tokens of each picture of a batch, where the processor says it."""
    grids = inputs.get("image_grid_thw")
    if grids is None:
        return None
    merged = int(processor.image_processor.merge_size) ** 2
    return [int(grid.prod()) // merged for grid in grids]


def seen(
    inputs: Mapping[str, Any], processor: Any, at: int, tokens: int, own: Image.Image
) -> SeenPicture:
    """The picture number `at` of a batch.

    Families that state a grid (Qwen-VL, GLM-V, ERNIE-VL) have a token for each cell of it, after
    patches were merged. Of others it is not known which part of a picture a token is of: theirs may
    be queries (Aria) or lie in tiles (Llama 4).

    Args:
      own: the picture as it was given, for processors whose pixels cannot be read back.
    """
    maker = processor.image_processor
    pixels, grids = inputs["pixel_values"], inputs.get("image_grid_thw")
    if grids is not None:
        merge, patch = int(maker.merge_size), int(maker.patch_size)
        before = int(grids[:at].prod(dim=1).sum())
        times, rows, columns = (int(number) for number in grids[at])
        cells = pixels[before : before + times * rows * columns].float().cpu().numpy()
        whole = _from_patches(cells, rows, columns, merge, patch)
        picture = _shown(whole, maker)
        return SeenPicture(
            rows // merge, columns // merge, picture.width, picture.height, _file(picture), True
        )
    if pixels.ndim == 4 and len(pixels) > at and inputs.get("pixel_mask") is not None:
        inside = inputs["pixel_mask"][at].cpu().numpy()
        height, width = int(inside.any(1).sum()), int(inside.any(0).sum())
        whole = pixels[at].float().cpu().numpy().transpose(1, 2, 0)[:height, :width]
        picture = _shown(whole, maker)
    else:
        picture = own.convert("RGB")
    return SeenPicture(1, tokens, picture.width, picture.height, _file(picture), False)


def _from_patches(
    cells: Float[np.ndarray, "p c"], rows: int, columns: int, merge: int, patch: int
) -> Float[np.ndarray, "h w 3"]:
    """The first frame of a picture that was cut in patches, those of one token in a row."""
    frames = cells.shape[1] // (3 * patch * patch)
    split = cells[: rows * columns].reshape(
        rows // merge, columns // merge, merge, merge, 3, frames, patch, patch
    )[:, :, :, :, :, 0]
    return split.transpose(0, 2, 5, 1, 3, 6, 4).reshape(rows * patch, columns * patch, 3)


def _shown(pixels: Float[np.ndarray, "h w 3"], maker: Any) -> Image.Image:
    """Pixels without the normalisation of the image processor."""
    if getattr(maker, "do_normalize", False):
        pixels = pixels * np.array(maker.image_std) + np.array(maker.image_mean)
    if getattr(maker, "do_rescale", False):
        pixels = pixels / float(maker.rescale_factor)
    return Image.fromarray(pixels.round().clip(0, _WHITE).astype(np.uint8))


def _file(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=_QUALITY)
    return content.getvalue()
