"""Authors and licences of a run's pictures and names, at the foot of each page."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from app.parts import tables
from limoe_core.data.identity import attributions_of
from limoe_core.runs import Run

#: Columns of the table, with their headings.
_COLUMNS = {
    "title": "what",
    "author": "author",
    "licence": "licence",
    "change": "change",
    "url": "source",
    "licence_url": "text of the licence",
}


def show(run: Run) -> None:
    """The attributions that the licences ask for, where the run brings them along."""
    found = attributions_of(run)
    if not found:
        return
    with st.expander("Authors and licences of the pictures and names"):
        # A table, since icons are of some 170 sets; no links, since a run may come from anywhere.
        frame = pd.DataFrame([asdict(one) for one in found])
        tables.show(frame[list(_COLUMNS)].rename(columns=_COLUMNS), hide_index=True)
