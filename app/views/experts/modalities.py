"""Shares of the two modalities per expert and layer."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import analysis
from analysis import figures as drawn
from analysis.recipes import Recorded, record, rows
from app.parts import facts, figures, tables
from app.parts.export import take_away
from app.parts.facts import Fact
from app.parts.glossary import TERMS
from app.shell import controls
from app.views.experts.probe_view import Source
from limoe_core.trace import IMAGE, TEXT

#: Names of the roles on the page, in order.
_ROLES = {
    "text": "Text experts",
    "image": "Image experts",
    "mixed": "Mixed",
    "leaning text": "Lean to text",
    "leaning image": "Lean to images",
    "dead": "Dead",
}
#: Roles listed even if no expert has them.
_ALWAYS = ("text", "image", "mixed", "dead")
_MOST_NAMED = 8
#: Experts that are drawn one by one; with more, the largest are, and the others together.
_MOST_DRAWN = 16
#: Bars of all layers together; with more, experts are counted by role.
_MOST_BARS = 64


def _choose_count(experts: int) -> int:
    """Draws the choice of how many experts are drawn one by one, where they are many."""
    if experts <= _MOST_DRAWN:
        return experts
    return controls.choice(
        "experts",
        "Experts shown",
        [_MOST_DRAWN, *(n for n in (32, 64) if n < experts), experts],
        noun="number of experts",
        words=lambda n: f"all {n}" if n == experts else f"the {n} largest",
        look="buttons",
        say=False,  # another run has fewer
        help="Those with the largest share of image or of text tokens, from images to text; all "
        "others are one bar.",
    )


def show(source: Source) -> None:
    """Draws the view."""
    roles = source.measure(analysis.roles)
    both = len({*source.trace.modality.tolist()} & {IMAGE, TEXT}) == 2
    nmi = source.measure(analysis.modality_specialisation) if both else None
    health = source.health
    _headline(source, roles.value, None if nmi is None else nmi.value, health.value)
    wide, narrow = st.columns([3, 2])
    with wide:
        st.header(
            f"Token share per expert, {source.router}",
            anchor=False,
            help=TERMS["modality share"],
        )
        mine = rows(roles, f"layer == {source.layer}")
        count = _choose_count(len(mine.value))
        if count < len(mine.value):
            mine = record(analysis.top_experts, mine, count)
        figures.show(
            source.named(record(drawn.shares_figure, mine)),
            mine,
            file=source.file("shares", layer=True),
            note="Share of all image tokens (up) and of all text tokens (down, hatched) that "
            "goes to the expert. Hover for token counts and roles.",
        )
    with narrow:
        st.header("Specialisation by layer", anchor=False, help=TERMS["specialisation"])
        if nmi is None:
            st.caption("Specialisation compares modalities, and these pairs have one alone.")
        else:
            _specialisation(source, nmi)
    if nmi is not None:
        _divergence(source)
    st.header("All layers", anchor=False, help=TERMS["layer"])
    if len(roles.value) > _MOST_BARS:
        figures.show(
            source.named(record(drawn.roles_figure, roles)),
            roles,
            file=source.file("roles"),
            note="Experts of each MoE layer by role.",
        )
    else:
        figures.show(
            source.named(record(drawn.shares_figure, roles)),
            roles,
            file=source.file("shares"),
            note="As above, one row per MoE layer. Experts of different layers are unrelated, even "
            "where they share a number.",
        )
    left, right = st.columns([3, 2])
    with left:
        _roles_table(source.with_names(roles.value))
    with right:
        _health_table(source.with_names(health.value))
    take_away(
        health,
        file=source.file("router-health"),
        what="the table of entropies and drops",
    )


def _specialisation(source: Source, nmi: Recorded[pd.DataFrame]) -> None:
    untrained = source.untrained(analysis.modality_specialisation)
    baselines = source.baselines
    figures.show(
        source.named(
            record(drawn.specialisation_figure, nmi, untrained=untrained, baselines=baselines)
        ),
        nmi,
        file=source.file("specialisation"),
        note=_note(source, nmi.value, untrained is not None),
    )
    if baselines is not None:
        take_away(baselines, file=source.file("baselines"), what="the baselines")


def _divergence(source: Source) -> None:
    frame = source.measure(analysis.routing_divergence)
    st.header("How far apart the modalities are routed", anchor=False, help=TERMS["divergence"])
    first = frame.value.iloc[0]
    figures.show(
        source.named(record(drawn.divergence_figure, frame)),
        frame,
        file=source.file("divergence"),
        note="Jensen–Shannon divergence of image and text routing, in bits. 95 % intervals: "
        f"jackknife over the {first['resampled']} of {int(first['pairs']):,} pairs. Dashes: what "
        "95 % of values stay below where picture and text of random pairs change places. This is "
        "no second finding: where the experts' entropy is at least 1 bit, it equals the NMI above.",
    )


def _note(source: Source, nmi: pd.DataFrame, untrained: bool) -> str:
    first = nmi.iloc[0]
    note = (
        f"Correlational. 95 % intervals: jackknife over the {first['resampled']} of "
        f"{int(first['pairs']):,} pairs, less the bias of so few."
    )
    if float(nmi["by_design"].max()) > 0:
        note += " Experts of one modality by design give part of it."
    if source.measured is not None:
        return (
            f"{note} Marks: what routers do that learned nothing, with 95 % of their draws (on "
            f"{source.measured.value.others.pairs:,} of the pairs), and the same routers at step "
            "0. Training has added only what lies above them."
        )
    if untrained:
        return (
            f"{note} Diamonds: the untrained routers of step 0, which sort by what their inputs "
            "hold already."
        )
    return note


def _interval(layer: pd.Series) -> str:
    if pd.isna(layer["low"]):
        return "of one pair" if layer["pairs"] == 1 else "no interval"
    return f"{layer['low']:.2f} to {layer['high']:.2f}"


def _headline(
    source: Source, roles: pd.DataFrame, nmi: pd.DataFrame | None, health: pd.DataFrame
) -> None:
    """Draws the layer's facts: specialisation, roles of its experts, drop rates."""
    of_layer = roles[roles["layer"] == source.layer]
    dropped = health[health["layer"] == source.layer].set_index("modality")["drop_rate"]
    found = []
    if nmi is not None:
        here = nmi[nmi["layer"] == source.layer].iloc[0]
        design = f"; by design {here['by_design']:.2f}" if here["by_design"] else ""
        found.append(
            Fact(
                f"Modality NMI, {source.router}",
                f"{here['nmi']:.2f}",
                _interval(here) + design,
                help_text=TERMS["specialisation"],
            )
        )
    for role, called in _ROLES.items():
        mine = [int(expert) for expert in of_layer.loc[of_layer["role"] == role, "expert"]]
        if mine or role in _ALWAYS:
            shown = mine[:_MOST_NAMED]
            more = f"and {len(mine) - len(shown)} more" if len(mine) > len(shown) else ""
            value = "" if mine else "none"
            found.append(Fact(called, value, more, shown, help_text=TERMS["role"]))
    found.append(_dropped(source, dropped))
    facts.show(found)


def _dropped(source: Source, dropped: pd.Series) -> Fact:
    routers = source.trace.routers
    if routers is not None and not routers.drops:
        return Fact("Dropped", "none", "experts have no capacity", help_text=TERMS["dropped"])
    said = {"image": "patches", "text": "pieces"}
    rates = [f"{dropped[m]:.1%} of {tokens}" for m, tokens in said.items() if dropped[m] >= 0]
    first, _, rest = (rates or ["unknown"])[0].partition(" ")
    return Fact("Dropped", first, ", ".join([rest, *rates[1:]]), help_text=TERMS["dropped"])


def _roles_table(roles: pd.DataFrame) -> None:
    st.caption("All experts of all layers", help=TERMS["role"])
    share = st.column_config.ProgressColumn
    designed = ["by_design"] if "by_design" in roles else []
    table = roles.assign(expert=[analysis.expert_label(int(e)) for e in roles["expert"]])
    tables.show(
        table[
            [
                "layer",
                "expert",
                "role",
                "role_recurs",
                *designed,
                "image_share",
                "text_share",
                "image_purity",
                "text_purity",
                "image_tokens",
                "text_tokens",
            ]
        ],
        hide_index=True,
        height=320,
        column_config={
            "layer": st.column_config.Column("block"),
            "role_recurs": st.column_config.NumberColumn(
                "recurs", format="percent", help="In how many resamples of the pairs."
            ),
            "by_design": st.column_config.CheckboxColumn(
                "by design", help="Only one modality can choose the expert at all."
            ),
            "image_share": share("of patches", format="percent", min_value=0, max_value=1),
            "text_share": share("of pieces", format="percent", min_value=0, max_value=1),
            "image_purity": st.column_config.NumberColumn(
                "image purity", format="percent", help="Modalities weighted equally."
            ),
            "text_purity": st.column_config.NumberColumn(
                "text purity", format="percent", help="Modalities weighted equally."
            ),
            "image_tokens": st.column_config.NumberColumn("patches", format="localized"),
            "text_tokens": st.column_config.NumberColumn("pieces", format="localized"),
        },
    )


def _health_table(health: pd.DataFrame) -> None:
    st.caption("Entropies and drops", help=TERMS["router entropies"])
    nats = st.column_config.NumberColumn
    tables.show(
        health[
            [
                "layer",
                "modality",
                "drop_rate",
                "token_entropy",
                "mean_entropy",
                "effective_experts",
                "largest_share",
                "tokens",
            ]
        ],
        hide_index=True,
        height=320,
        column_config={
            "layer": st.column_config.Column("block"),
            "drop_rate": nats("dropped", format="percent"),
            "token_entropy": nats("token entropy, nats", format="%.3f"),
            "mean_entropy": nats("mean entropy, nats", format="%.3f"),
            "effective_experts": nats("effective experts", format="%.1f"),
            "largest_share": nats("largest share", format="percent"),
            "tokens": nats(format="localized"),
        },
    )
