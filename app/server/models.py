"""The model for a page that needs it now, with a word while it loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.server import runs
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel


def load(run: Run, step: int) -> LoadedModel:
    """The model at a step; takes seconds the first time, and nothing later.

    Raises:
      RunError: the run has no such step, or it is damaged.
    """
    with st.spinner("Loading the model's parameters …"):
        return runs.model(run, step)
