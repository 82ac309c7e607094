"""Data sets on this machine."""

from __future__ import annotations

import streamlit as st

from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.identity import MAY_LEAK, Recorded, data_of
from limoe_core.data.registry import data_set
from limoe_core.runs import Run


def is_built(config: DataConfig) -> bool:
    """Whether the data set is on this machine, with pictures that training never saw."""
    chosen = data_set(config)
    return bool(chosen.unseen) and _is_ready(config)


def can_build(config: DataConfig) -> bool:
    """Whether it could be built here, to show those pictures."""
    chosen = data_set(config)
    return bool(chosen.unseen) and chosen.can_build and not _is_ready(config)


def another_would_be_built(run: Run) -> str:
    """A sentence, with a space before it, where building here gives another set than the run's."""
    here, trained = data_set(run.config.data).resolve(run.config.data), data_of(run).config
    if trained in ("auto", here):
        return ""
    name = run.config.data.name
    return f" It gives {name}/{here} here, and the run was trained on {name}/{trained}."


def other_data(run: Run) -> str | None:
    """What differs, as a sentence, where a data set that is here is not what the run trained on.

    Raises:
      ConfigError or OSError: it cannot be read.
    """
    return _other_data(run, str(run.path), run.stamp("config"))


@st.cache_data(max_entries=64, show_spinner=False)
def _other_data(_run: Run, path: str, stamp: tuple[int, int]) -> str | None:
    from limoe_core.data.source import load_pairs

    run, config = _run, _run.config.data
    pairs = load_pairs(config, "validation", build=False, progress=False)
    trained = Recorded.of(run, "validation")
    if trained.is_same(Recorded.here(pairs, config)):
        return None
    if trained.name == pairs.name:
        found = f"{pairs.name} has other content here than when {run.name} was trained on it"
    else:
        found = f"{run.name} was trained on {trained.name}, and here is {pairs.name}"
    return f"{found}. What is shown of the data set is of the one that is here, and {MAY_LEAK}."


def _is_ready(config: DataConfig) -> bool:
    try:
        return data_set(config).is_ready(config)
    except ConfigError:  # there is no folder for it: building says so
        return False
