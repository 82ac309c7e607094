"""Components that draw in the browser: HTML, CSS and JavaScript beside their Python wrappers.

There is no build step. A component's scripts are plain files that share one scope, put together in
the order given; the last one exports the function that Streamlit calls. They write text with
`textContent` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer


def define(name: str, folder: Path, scripts: Sequence[str]) -> ComponentRenderer:
    """The component whose `view.html`, `view.css` and scripts lie in `folder`.

    Args:
      name: unique in the app.
      scripts: file names without `.js`, in the order in which they are put together.
    """

    def read(file: str) -> str:
        return (folder / file).read_text(encoding="utf-8")

    return st.components.v2.component(
        f"limoe_lens.{name}",
        html=read("view.html"),
        css=read("view.css"),
        js="\n".join(read(f"{script}.js") for script in scripts),
    )
