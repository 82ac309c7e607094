"""All routes of one token, and where the router's own stands among them."""

from __future__ import annotations

import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import record
from analysis.regret import MOST_ROUTES
from app.parts import figures
from app.parts.glossary import TERMS
from app.server import jobs, recorded
from app.views.interventions import tokens
from app.views.interventions.asked import Asked
from limoe_core.trace import MODALITIES, RoutingTrace


def show(asked: Asked, trace: RoutingTrace, picked: int, name: str) -> None:
    """Draws the losses on the routes of the picked token, once they are asked for."""
    st.header("Routes of one token", anchor=False, help=TERMS["regret"])
    if trace.top_k != 1:
        st.caption("Routes are tried where each token has one expert; here it has several.")
        return
    tokens.draw(trace, picked)
    experts, layers = trace.num_experts, trace.num_layers
    every = experts**layers <= MOST_ROUTES
    count = experts**layers if every else 1 + layers * (experts - 1)
    call = record(
        analysis.token_routes,
        asked.model,
        asked.images,
        asked.texts,
        0,
        MODALITIES[int(trace.modality[picked])],
        int(trace.position[picked]),
    )
    if not jobs.known(call.key):
        place = st.empty()
        with place.container():
            what = "all" if every else "those that differ from the router's own in one block,"
            st.markdown(
                f"Is the route that the routers chose a good one? Try {what} {count:,} routes of "
                "this token, everything else left to the routers: seconds."
            )
            if not st.button("Try them", icon=":material/route:"):
                return
        place.empty()
        jobs.want(call.key)
    made = recorded.worked_with_progress(call, "Trying routes")
    frame = made.value
    losses = frame["loss"].to_numpy()
    own, others = losses[frame["chosen"]][0], losses[~frame["chosen"]]
    beaten = float((others > own).mean() + 0.5 * (others == own).mean())
    columns = st.columns(3)
    columns[0].metric("Loss on the router's route", f"{own:.4f}", help="Nats, of this pair.")
    columns[1].metric("Regret", f"{own - losses.min():.4f}", help=TERMS["regret"])
    columns[2].metric(
        "Better than", f"{100 * beaten:.0f} % of routes", help="A random route: 50 %."
    )
    figures.show(
        record(drawn.routes_figure, made),
        made,
        file=f"routes-{tokens.key(trace, picked)}-{name}",
        note=f"This pair's loss (nats, among n = {asked.before.value.num_pairs:,} pairs) for each "
        f"of {len(frame):,} routes of {tokens.names(trace)[picked].lower()}; the routers without "
        "any change, unlimited capacity. Right: routes that differ in one block. One token of one "
        "pair: it says nothing of routing as such; `analysis.routing_regret` measures many.",
    )
