"""The newest step that `evaluate --experts` measured, on a thousand pairs."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server import recorded
from limoe_core.runs.directory import Run, RunError


def show(run: Run) -> None:
    """Draws its specialisation beside the baselines, or says that no step was measured."""
    steps = run.expert_steps()
    if not steps:
        st.caption(
            "All numbers of this page are of the probe pairs, which are few. `evaluate --experts` "
            "measures a step on 1,024 pairs, with baselines."
        )
        return
    step = steps[-1]
    try:
        measured = recorded.experts(run, step)
    except RunError as error:
        messages.say("warning", str(error))
        return
    told = measured.value.told
    nmi = recorded.measured(analysis.modality_specialisation, measured.attribute("trace"))
    baselines = recorded.measured(analysis.specialisation_baselines, measured)
    st.header(
        f"Step {step:,} on {messages.counted(measured.value.pairs, 'pair')}",
        anchor=False,
        help=TERMS["specialisation"],
    )
    splits = ", ".join(f"{count:,} of {split}" for split, count in told["splits"].items())
    figures.show(
        record(drawn.specialisation_figure, nmi, baselines=baselines),
        baselines,
        file=f"specialisation-measured-{run.name}-step{step}",
        note=f"{told['data']}, which training never saw ({splits}), measured by evaluate "
        "--experts. Bars: the trained routers, with 95 % intervals. Marks: what routers do that "
        "learned nothing, and the same routers at step 0.",
    )
