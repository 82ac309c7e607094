"""The newest step that `evaluate --experts` measured, on a thousand pairs."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.errors import AnalysisError
from analysis.recipes import Recorded, record
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server import recorded
from app.shell.conditions import Slice
from limoe_core.runs.directory import Run, RunError
from limoe_core.trace import RoutingTrace


def show(run: Run, chosen: Slice | None = None) -> None:
    """Draws its specialisation beside the baselines, or says that no step was measured.

    Args:
      chosen: the slice of its pairs; baselines were measured of all pairs, and not of a slice.
    """
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
        trace: Recorded[RoutingTrace] = measured.attribute("trace")
        if chosen is not None:
            trace = recorded.kept(record(analysis.slice_trace, trace, chosen.of_pictures(run)))
        pairs = trace.value.num_pairs
    except RunError as error:
        messages.say("warning", str(error))
        return
    except AnalysisError as error:
        messages.say("info", f"What was measured at step {step:,} is left out: {error}.")
        return
    told = measured.value.told
    nmi = recorded.measured(analysis.modality_specialisation, trace)
    st.header(
        f"Step {step:,} on {messages.counted(pairs, 'pair')}",
        anchor=False,
        help=TERMS["specialisation"],
    )
    splits = ", ".join(f"{count:,} of {split}" for split, count in told["splits"].items())
    data = f"{told['data']}, which training never saw ({splits})"
    bars = "Bars: the trained routers, with 95 % intervals."
    file = f"specialisation-measured-{run.name}-step{step}"
    if chosen is not None:
        figures.show(
            record(drawn.specialisation_figure, nmi),
            nmi,
            file=file,
            note=f"{pairs:,} pairs in the slice, of {measured.value.pairs:,} of {data}, measured "
            f"by evaluate --experts. {bars} Baselines were measured of all pairs alone.",
        )
        return
    baselines = recorded.measured(analysis.specialisation_baselines, measured)
    figures.show(
        record(drawn.specialisation_figure, nmi, baselines=baselines),
        baselines,
        file=file,
        note=f"{data}, measured by evaluate --experts. {bars} Marks: what routers do that learned "
        "nothing, and the same routers at step 0.",
    )
