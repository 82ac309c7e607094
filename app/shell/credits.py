"""Authors and licences of a run's pictures and names, at the foot of each page."""

from __future__ import annotations

import streamlit as st

from limoe_core.data.identity import attributions_of
from limoe_core.runs import Run


def show(run: Run) -> None:
    """The attributions that the licences ask for, where the run brings them along."""
    found = attributions_of(run)
    if not found:
        return
    with st.expander("Authors and licences of the pictures and names"):
        # As plain text, since a run may come from anywhere.
        st.text("\n".join(one.sentence() for one in found))
