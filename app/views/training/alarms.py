"""Alarms: what went wrong, in words, each with its rule."""

from __future__ import annotations

import streamlit as st

from analysis.alarms import RULES
from app.parts import messages
from app.parts.export import take_away
from app.server.logs import Logged
from app.server.runs import Run

#: Alarms that stand on the page; the others are counted, and in the table.
_MOST = 4


def draw(run: Run, log: Logged) -> None:
    """Draws the run's alarms, or that there is none."""
    found = log.alarms.value
    if found.empty and log.scalars.value.empty:
        return
    st.header(
        "Alarms",
        anchor=False,
        help="\n\n".join(f"**{name}** – {rule}." for name, rule in RULES.items()),
    )
    if found.empty:
        st.caption(
            f"None: none of {len(RULES)} rules holds anywhere in the log of "
            f"{messages.plain(run.name)}."
        )
        return
    end = int(log.scalars.value["step"].max()) if len(log.scalars.value) else 0
    for row in found.head(_MOST).to_dict("records"):
        messages.say(
            "warning", f"{row['sentence']} {_when(int(row['since']), int(row['last']), end)}"
        )
        st.caption(messages.plain(f"Rule “{row['alarm']}”: {row['rule']}."))
    with st.expander(f"All {messages.counted(len(found), 'alarm')} as a table"):
        st.table(found.drop(columns="rule").astype(object).fillna(""))
    take_away(log.alarms, file=f"alarms-{run.name}", what="the alarms")


def _when(since: int, last: int, end: int) -> str:
    if since == last:
        return f"At step {since:,}."
    if last >= end:
        return f"Since step {since:,}, and it still holds."
    return f"From step {since:,} to {last:,}."
