"""Components that draw in the browser: HTML, CSS and JavaScript beside their Python wrappers.

There is no build step. A component's scripts are plain files that share one scope, put together in
the order given; the last one exports the function that Streamlit calls. They write text with
`textContent` only.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import streamlit as st
from jaxtyping import Shaped
from streamlit.components.v2.types import ComponentRenderer

from app.parts import messages

#: Longest text sent to the browser; pictures, as data URLs, may be longer.
_LONGEST = 2000
_PICTURE = "data:image/"
#: Lists of these alone, the long ones, need no look at each element.
_NUMBERS = {int, float, bool, type(None)}


class Packed(str):
    """Bytes as base64, which go to the browser as they are, however long they are."""

    __slots__ = ()

    @classmethod
    def of(cls, values: Shaped[np.ndarray, ...]) -> Packed:
        """The array's numbers row after row, little-endian, deflated as by zlib."""
        plain = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
        return cls._deflated(plain.tobytes())

    @classmethod
    def json(cls, value: Any) -> Packed:
        """The value as JSON, deflated; for our own texts alone, since none is looked at."""
        return cls._deflated(json.dumps(value).encode())

    @classmethod
    def _deflated(cls, content: bytes) -> Packed:
        return cls(base64.b64encode(zlib.compress(content, 6)).decode())


def define(name: str, folder: Path, scripts: Sequence[str]) -> ComponentRenderer:
    """The component whose `view.html`, `view.css` and scripts lie in `folder`.

    Args:
      name: unique in the app.
      scripts: file names without `.js`, in the order in which they are put together.
    """

    def read(file: str) -> str:
        return (folder / file).read_text(encoding="utf-8")

    component = st.components.v2.component(
        f"limoe_lens.{name}",
        html=read("view.html"),
        css=read("view.css"),
        js="\n".join(read(f"{script}.js") for script in scripts),
    )

    def render(*, data: Any, **options: Any) -> Any:
        return component(data=as_text(data), **options)

    return cast(ComponentRenderer, render)


def as_text(value: Any) -> Any:
    """Data for a component, its texts shortened and their invisible characters made visible."""
    if isinstance(value, Packed):
        return value
    if isinstance(value, str):
        return value if value.startswith(_PICTURE) else messages.visible_lines(value, _LONGEST)
    if isinstance(value, dict):
        return {key: as_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not _NUMBERS.issuperset(map(type, value)):
        return [as_text(inner) for inner in value]
    return value
