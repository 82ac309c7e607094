"""Pictures for the browser, and uploaded pictures."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Float, UInt8
from PIL import Image

from analysis.recipes import Recorded, record
from app.parts import messages

#: Longest side of a reader's picture as it is shown beneath the patches, in pixels.
_SHOWN = 512


@dataclass(frozen=True)
class Upload:
    """An uploaded picture file."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the file, as hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, eq=False)
class Prepared:
    """An uploaded picture, ready for the model and for the page."""

    pixels: Float[np.ndarray, "size size 3"]
    """The model's input, in [-1, 1]."""
    sharp: str
    """The picture on its white square at a higher resolution, as a data address."""
    notes: tuple[str, ...]
    """Sentences on changes that were made to it."""


def prepare(upload: Upload, size: int) -> Prepared:
    """Opens a reader's picture for a model that reads `size` by `size` pixels; cached.

    Raises:
      limoe_core.data.preprocess.PictureError: it cannot be read, in a sentence.
    """
    return _prepare(upload.digest, size, upload.content)


def recorded(upload: Upload) -> Recorded[Any]:
    """A reader's picture as `model.trace` takes it, opened from a file of its name."""
    from limoe_core.data.preprocess import open_picture

    call = record(open_picture, upload.name)
    opened = call.through(lambda _: open_picture(upload.content), upload.digest)
    return opened.unpacked("picture", "notes")[0]


@st.cache_resource(max_entries=64, show_spinner=False)
def _prepare(digest: str, size: int, _content: bytes) -> Prepared:
    return decode(_content, size)


def decode(content: bytes, size: int) -> Prepared:
    """`prepare` without a cache.

    Raises:
      limoe_core.data.preprocess.PictureError: it cannot be read, in a sentence.
    """
    from limoe_core.data.preprocess import open_picture, to_model_input

    picture, notes = open_picture(content)
    # The model's own function, at a higher resolution: the same white ground and the same margins.
    shown = to_model_input(picture, max(size, min(_SHOWN, max(picture.size))))
    return Prepared(to_model_input(picture, size), data_address(to_bytes(shown)), tuple(notes))


def to_bytes(pixels: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The model's input, in [-1, 1], as a picture."""
    return np.round((np.asarray(pixels, np.float32) + 1) * 127.5).clip(0, 255).astype(np.uint8)


def to_pixels(picture: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """The inverse of `to_bytes`."""
    return picture.astype(np.float32) / 127.5 - 1


def draw_picture(picture: UInt8[np.ndarray, "h w 3"], name: str, *, width: int) -> None:
    """Draws a picture with its name as text alternative, which `st.image` has no room for.

    Args:
      name: text from outside too; it is shown as text.
      width: in pixels; less where there is less room.
    """
    style = f"width: {width}px; max-width: 100%; border-radius: 4px; display: block"
    said = escape(messages.visible(name))
    st.html(f'<img src="{data_address(picture)}" alt="{said}" style="{style}">')


def data_address(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """The picture as a PNG in a data address."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
