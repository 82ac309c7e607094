"""The Interventions page: what an expert is for, asked by changing what routers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

import analysis
from analysis.recipes import Recorded, record
from app.causes import recorded as recorded_causes
from app.components.before_after import before_after
from app.pair import routing as pair_routing
from app.pair.chosen import choose_example, choose_parts
from app.parts import figures, messages
from app.parts.export import take_away
from app.parts.glossary import help_text
from app.server import runs
from app.shell import live, sidebar, slices, state
from app.views.interventions import changes, effects, routes, tokens
from app.views.interventions.asked import Asked, ask
from limoe_core.runs.directory import Run
from limoe_core.trace import RoutingTrace

_LOADED = "interventions.loaded"  # session: models that were loaded for this reader
#: Texts in the list of those that are most like the picture.
_NEAREST = 5


def show(run: Run) -> None:
    """Draws the page."""
    if run.other is not None:
        _of_another_model(run)
        return
    model = run.config.model
    if not model.experts:
        messages.say(
            "info",
            f"{run.name} is a dense twin: it has no experts to change. Choose a run with experts "
            "in the sidebar.",
        )
        return
    steps, probed = run.steps(), run.probe_steps()
    if not steps or not probed:
        messages.say(
            "info",
            f"{run.name} has no parameters yet, or no probe pairs, so there is nothing to route. "
            + live.BY_ITSELF,
        )
        return
    step = sidebar.choose_step(steps)
    layer = sidebar.choose_layer(run.routers)
    probe, pictures = runs.probe(run, probed[-1]), runs.probe_pictures(run)
    example = choose_example(run, probe, pictures, slices.pairs_of(probe))
    caption = "" if example is None else str(probe.captions[example])
    pair = choose_parts(example, caption, model.image_size)
    if not pair.with_picture or not pair.text.strip():
        messages.say(
            "info",
            "An intervention is measured on a picture and its text: this pair lacks one of them.",
        )
        return
    concept = _concept(probe, example) if pair.upload is None else None
    with st.spinner("Routing … (the model is loaded the first time)"):
        with _recorded_meanwhile(run, step, example if pair.is_example else None):
            asked = ask(run, step, pair_routing.shown(run, pair, pictures), pair.text, concept)
        setting = changes.choose(model, changes.favourite(asked.before.value, layer))
        try:
            after = asked.after(setting)
            changed = after.value
        except analysis.AnalysisError as error:
            messages.say("warning", f"This change cannot be made: {error}.")
            return
    first = record(RoutingTrace.select, asked.before, [0])
    second = record(RoutingTrace.select, after, [0])
    picked = tokens.choose(first.value)
    st.header("Routing before and after", anchor=False)
    before_after(
        first.value,
        second.value,
        names=tokens.names(first.value),
        picked=picked,
        on_pick=lambda token: state.put("token", tokens.key(first.value, token)),
        key="interventions.both",
    )
    group = (
        f"Step {step:,}. {setting.words}. The pair is routed in one group with "
        f"{changed.num_pairs - 1} probe pairs, before with unlimited capacity."
    )
    st.caption(messages.plain(group))
    name = f"{run.name}-step{step}"
    take_away(
        record(analysis.rerouted, first, second),
        file=f"rerouted-{name}",
        what="the number of rerouted tokens",
    )
    _this_pair(asked, after, name)
    effects.show(asked, setting, name)
    routes.show(asked, first.value, picked, name)
    with st.expander("What the words mean", icon=":material/help:"):
        st.markdown(help_text("expert", "gate", "capacity", "dropped", "regret"))


@contextmanager
def _recorded_meanwhile(run: Run, step: int, example: int | None) -> Iterator[None]:
    """Shows a pair's routing as training recorded it, while the model is loaded and compiled.

    Only the first time that the reader asks for this model: later it takes no time to speak of.

    Args:
      example: number of the pair; None for one that training did not record.
    """
    loaded: set[tuple[str, int]] = st.session_state.setdefault(_LOADED, set())
    model = run.name, step
    place = st.empty()
    if model not in loaded and example is not None and step in run.probe_steps():
        trace = runs.probe(run, step).select([example])
        with place.container():
            st.header("Routing as recorded in training", anchor=False)
            before_after(
                trace,
                trace,
                names=tokens.names(trace),
                picked=None,
                on_pick=lambda token: state.put("token", tokens.key(trace, token)),
                key="interventions.recorded",
            )
    try:
        yield
    finally:
        place.empty()
    loaded.add(model)


def _of_another_model(run: Run) -> None:
    """Draws what was measured where the model is, since nothing can be changed here."""
    assert run.other is not None
    messages.say(
        "info",
        f"{run.name} holds traces of {run.other.called}, not the model: nothing can be changed "
        "here. Shown is what was measured where the model is, if the run keeps it.",
    )
    layer = sidebar.choose_layer(run.routers)
    slices.does_not_apply("Effects are kept as means over all recorded pairs.")
    figures.choose_format()
    recorded_causes.show(run, layer)


def _concept(probe: RoutingTrace, example: int | None) -> str | None:
    concepts = probe.meta.get("concept")
    return None if concepts is None or example is None else str(concepts[example])


def _this_pair(asked: Asked, after: Recorded[RoutingTrace], name: str) -> None:
    """Draws what becomes of the pair in view: its similarity, its rank, the nearest texts."""
    st.header("This pair", anchor=False)
    found = []
    for trace in (asked.before, after):
        embeddings = trace.attribute("image_embeddings")
        found.append(
            record(
                analysis.ranked,
                embeddings[0],
                trace.attribute("text_embeddings"),
                trace.attribute("captions"),
            )
        )
    frames = [each.value for each in found]
    own = str(asked.before.value.captions[0])
    rows = [frame[frame["name"] == own].iloc[0] for frame in frames]
    count = len(frames[0])
    columns = st.columns(2)
    columns[0].metric(
        "Similarity of picture and text",
        f"{rows[1]['similarity']:.3f}",
        _change(rows[1]["similarity"] - rows[0]["similarity"], "+.3f"),
        help="Cosine of the two embeddings. The change is against no intervention.",
    )
    columns[1].metric(
        f"Rank of its text among {count:,}",
        f"{rows[1]['rank']:,}",
        _change(rows[1]["rank"] - rows[0]["rank"], "+.0f"),
        delta_color="inverse",
        help=f"1 is the best; guessing would give {(count + 1) / 2:g} on average. The other texts "
        "are those of the probe pairs with another concept, embedded with the same change.",
    )
    for column, when, nearest in zip(columns, ("before", "after"), frames, strict=True):
        column.caption(f"Most similar texts {when}")
        column.dataframe(
            nearest.head(_NEAREST),
            hide_index=True,
            column_config={
                "rank": st.column_config.NumberColumn("rank", width="small"),
                "name": st.column_config.TextColumn("text"),
                "similarity": st.column_config.NumberColumn("similarity", format="%.3f"),
            },
        )
    for when, ranks in zip(("before", "after"), found, strict=True):
        take_away(ranks, file=f"texts-{when}-{name}", what=f"the ranks {when}")


def _change(difference: float, form: str) -> str | None:
    """A difference as a metric shows it; None, and so no arrow, where nothing changed."""
    return format(difference, form) if difference else None
