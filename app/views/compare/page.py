"""Compare: what differs between two runs, or between two steps of one?"""

from __future__ import annotations

import streamlit as st

from analysis.report import report
from app.parts import figures, messages
from app.parts.export import document
from app.parts.glossary import help_text
from app.shell import controls
from app.views.compare import experts, routing, sides, zero_shot
from limoe_core.runs.directory import Run

_VIEWS = {"routing": "Routing", "experts": "Experts", "zero-shot": "Zero-shot"}
_TERMS = {
    "routing": ("token", "gate", "expert", "capacity", "dropped"),
    "experts": ("specialisation", "router entropies", "dropped", "paired difference", "many looks"),
    "zero-shot": ("zero-shot", "top-k", "paired difference", "many looks", "dense twin"),
}


def show(run: Run) -> None:
    """Draws the page."""
    both = sides.choose(run)
    if both is None:
        return
    figures.choose_format()
    dense = [side.run.name for side in (both.one, both.other) if not side.run.config.model.experts]
    view = controls.choice(
        "show",
        "Compare",
        list(_VIEWS),
        default="zero-shot" if dense else "routing",
        noun="view",
        words=_VIEWS,
        look="buttons",
        label_visibility="collapsed",
    )
    first, second = both.names
    where = f" of **{messages.plain(run.name)}**" if both.same_run else ""
    st.caption(
        f"**{messages.plain(first)}** against **{messages.plain(second)}**{where}. "
        + (
            "Two steps of one run, so of one seed."
            if both.same_run
            else f"Seeds {both.one.run.config.train.seed} and {both.other.run.config.train.seed}, "
            "one run each: what differs between these two runs may differ as much between two "
            "seeds of either, so it says nothing of what they were trained with."
        )
    )
    if view != "zero-shot" and dense:
        messages.say(
            "info",
            f"{dense[0]} is a dense twin: it has no experts, so its routing cannot be compared. "
            "Zero-shot can.",
        )
        return
    match view:
        case "routing":
            routing.show(both)
        case "experts":
            experts.show(both)
        case _:
            zero_shot.show(both)
    _report(both)
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(help_text(*_TERMS[view]))


def _report(both: sides.Sides) -> None:
    runs = [both.one.run] if both.same_run else [both.one.run, both.other.run]
    names = " and ".join(each.name for each in runs)
    document(
        lambda: report(*runs),
        label="Report of both" if len(runs) > 1 else "Report of this run",
        file=f"report-{'-and-'.join(each.name for each in runs)}",
        help_text=f"One HTML file about {messages.plain(names)}, with figures, numbers, intervals "
        "and Python, that needs no server and no network. Takes some seconds.",
    )
