"""The modality gap as a number, with its interval and its null."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.points import Points
from analysis.recipes import Recorded, record
from app.parts import figures, messages
from app.parts.glossary import TERMS
from app.server import recorded
from app.views.embeddings.source import Source


def show(source: Source, step: int, points: Recorded[Points], where: dict[str, list[str]]) -> None:
    """Draws the gap of the pairs at a step, or of those in the slice."""
    st.header("Modality gap", anchor=False, help=TERMS["modality gap"])
    frame = recorded.measured(analysis.points_gap, points, **({"where": where} if where else {}))
    row = frame.value.iloc[0]
    beyond = [
        str(each["measure"]) for each in frame.value.to_dict("records") if each["beyond_null"]
    ]
    said = f"Beyond the null: {' and '.join(beyond)}." if beyond else "Neither is beyond the null."
    figures.show(
        record(drawn.gap_figure, frame),
        frame,
        file=f"gap-{source.name}-step{step}",
        note=messages.plain(
            f"Step {step:,}. n = {messages.counted(int(row['pairs']), 'pair')} of "
            f"{messages.counted(int(row['units']), 'concept')}. Bars: 95 %, of the measures over "
            f"concepts, of the null over {int(row['samples']):,} exchanges of pictures and texts. "
            f"Neighbours: the {int(row['neighbours'])} nearest among all points. {said}",
            600,
        ),
    )
