"""Where training is: its phase and its newest numbers."""

from __future__ import annotations

import streamlit as st

from app.parts import facts, messages
from app.parts.facts import Fact
from app.parts.glossary import TERMS
from app.server.logs import Logged
from app.server.runs import Run
from app.server.status import Status, duration

#: Names in the log, with the term on the page and how the number is written.
_SHOWN = {
    "contrastive": ("Contrastive loss", "{:.4g}", "contrastive loss"),
    "batch_accuracy": ("Accuracy in the batch", "{:.1%}", "contrastive loss"),
    "validation.top1": ("Validation top-1", "{:.1%}", "validation"),
    "temperature": ("Temperature", "{:.3g}", "temperature"),
    "pairs_per_second": ("Pairs per second", "{:,.0f}", "throughput"),
}


def status(run: Run) -> None:
    """Draws what the run is doing, and a bar while it trains."""
    status = Status.of(run)
    if status.growing:
        st.progress(min(1.0, status.step / max(1, status.steps)), messages.plain(status.sentence))
    else:
        st.caption(f"**{messages.plain(run.name)}** · {messages.plain(status.sentence, 800)}")


def numbers(log: Logged) -> None:
    """Draws the newest value of what matters most."""
    frame = log.scalars.value
    if frame.empty:
        return
    newest = {
        row["measure"]: row for row in frame[frame["measure"].isin(_SHOWN)].to_dict("records")
    }
    shown = [
        Fact(
            term,
            written.format(newest[name]["value"]),
            f"step {newest[name]['step']:,}",
            help_text=TERMS[word],
        )
        for name, (term, written, word) in _SHOWN.items()
        if name in newest
    ]
    hours = frame["hours"].max()
    if hours == hours:
        shown.append(Fact("In training steps", duration(3600 * float(hours))))
    pictures = int(frame["pictures"].max())
    shown.append(Fact("Pictures shown", f"{pictures:,}"))
    facts.show(shown)
