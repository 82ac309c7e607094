"""Pictures to classify and to search.

Those of the run's data set that training never saw, where it is on this machine, or else the probe
pictures that every run brings along.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from jaxtyping import UInt8

from app.parts import messages
from app.server import jobs, runs
from limoe_core.config import ConfigError, DataConfig
from limoe_core.data.registry import data_set
from limoe_core.runs.directory import Run

if TYPE_CHECKING:
    from limoe_core.data.pairs import PairSet


@dataclass(frozen=True, eq=False)
class Pool:
    """n pictures, and what is known of each."""

    title: str
    """What they are, with the name of the data set."""
    ids: tuple[str, ...]
    """Name of each in the address bar: code points and style, "1F34E.openmoji"."""
    names: tuple[str, ...]
    """What each shows, in the data set's first language."""
    keys: tuple[str, ...]
    """Code points of what each shows."""
    categories: tuple[str, ...]
    styles: tuple[str, ...]
    splits: tuple[str, ...]
    pictures: UInt8[np.ndarray, "n side side 3"]
    """On white, as they are shown; the model's input is made from `raw`."""
    raw: UInt8[np.ndarray, "n side side c"]
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of all concepts of the data set by language, where it is at hand."""
    text_keys: tuple[str, ...] = ()
    """Code points of those concepts."""
    recipe: str = ""
    """Python that makes `pictures`, in this order, from `model`."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def place(self) -> dict[str, int]:
        """Index of each picture by its name in the address bar."""
        return {name: index for index, name in enumerate(self.ids)}


def of_run(run: Run) -> Pool:
    """The pool of a run; loaded once per server, with progress.

    Raises:
      RunError: there is neither.
      ConfigError: the data set cannot be read.
    """
    config = run.config.data
    if is_built(config):
        return jobs.result(
            ("pool", config.name, config.config, config.dir),
            lambda progress: _of_data(config, progress),
            "Reading the test pictures of the data set",
        )
    return _of_probes(run)


def is_built(config: DataConfig) -> bool:
    """Whether the data set is on this machine, with pictures that training never saw."""
    chosen = data_set(config)
    return bool(chosen.unseen) and chosen.is_ready(config)


def offer_build(run: Run) -> None:
    """Where the data set is not on this machine: says so, and offers to build it."""
    config = run.config.data
    if is_built(config) or not (data_set(config).can_build and data_set(config).unseen):
        return
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        messages.say(
            "info",
            "The run's data set is not built on this machine, so the pictures here are the run's "
            "own probe pictures. Building takes about a minute.",
        )
    with right:
        wanted = st.button("Build the data set", key="pool.build", width="stretch")
    key = ("build", config.name, config.config, config.dir)
    if wanted or jobs.running(key):
        try:
            jobs.result(key, lambda progress: _build(config), "Building the data set")
        except (ConfigError, OSError) as error:
            messages.say("error", f"It cannot be built: {error}")
            return
        st.rerun()


def _build(config: DataConfig) -> None:
    from limoe_core.data.source import make_ready

    make_ready(config, progress=False)


def _of_data(config: DataConfig, progress: jobs.Progress) -> Pool:
    from limoe_core.data.source import load_pairs

    found = []
    splits = data_set(config).unseen
    for done, split in enumerate(splits):
        progress(done, len(splits))
        found.append(load_pairs(config, split, build=False, progress=False))
    return of_pairs(found)


def of_pairs(sets: Sequence[PairSet]) -> Pool:
    """The pictures of several splits of one data set, in their order."""
    table = sets[0].concepts
    first = next(iter(table.names))
    concept = np.concatenate([pairs.concept for pairs in sets])
    raw = np.concatenate([pairs.pictures.batch(np.arange(len(pairs))) for pairs in sets])
    keys = [str(table.keys[c]) for c in concept]
    styles = [str(style) for pairs in sets for style in pairs.style]
    names = {language: tuple(map(str, values)) for language, values in table.names.items()}
    splits = ", ".join(repr(pairs.split) for pairs in sets)
    return Pool(
        title=f"pictures of {sets[0].name} that training never saw",
        ids=tuple(f"{key}.{style}" for key, style in zip(keys, styles, strict=True)),
        names=tuple(names[first][c] for c in concept),
        keys=tuple(keys),
        categories=tuple(str(table.category[c]) for c in concept),
        styles=tuple(styles),
        splits=tuple(pairs.split for pairs in sets for _ in range(len(pairs))),
        pictures=on_white(raw),
        raw=raw,
        texts=names,
        text_keys=tuple(map(str, table.keys)),
        recipe=(
            "from limoe_core.data.source import load_pairs\n\n"
            f"sets = [load_pairs(model.config.data, split) for split in ({splits})]\n"
            "pictures = [pairs.pictures[i] for pairs in sets for i in range(len(pairs))]"
        ),
    )


def _of_probes(run: Run) -> Pool:
    return _probe_pool(str(run.path), run.stamp("probe pictures"), run)


@st.cache_resource(max_entries=16, show_spinner=False)
def _probe_pool(path: str, changed: tuple[int, int], _run: Run) -> Pool:
    pictures, steps = runs.probe_pictures(_run), _run.probe_steps()
    if pictures is None or not steps:
        raise runs.RunError(
            f"{_run.name} keeps no probe pictures, and its data set is not on this machine"
        )
    trace = runs.probe(_run, steps[-1])
    count = min(len(pictures), trace.num_pairs)

    def known(key: str) -> tuple[str, ...]:
        values = trace.meta.get(key)
        return tuple("" if values is None else str(values[i]) for i in range(count))

    names = known("name") if "name" in trace.meta else tuple(map(str, trace.captions[:count]))
    return Pool(
        title=f"probe pictures of {_run.name}",
        ids=tuple(f"probe.{i}" for i in range(count)),
        names=names,
        keys=known("concept"),
        categories=known("category"),
        styles=known("style"),
        splits=("validation",) * count,
        pictures=pictures[:count],
        raw=pictures[:count],
        recipe="pictures = list(model.run.probe_pictures())",
    )


def on_white(pictures: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures without transparency, on white."""
    if pictures.shape[-1] == 3:
        return pictures
    alpha = pictures[..., 3:].astype(np.uint16)
    mixed = pictures[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def spread(pool: Pool, count: int) -> list[int]:
    """Some pictures for a gallery: by turns from each category, in an order that no one chose.

    Pictures of the pool's first split go first.
    """
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(pool))
    rank = {split: place for place, split in enumerate(dict.fromkeys(pool.splits))}
    order = sorted(shuffled, key=lambda i: rank[pool.splits[i]])
    queues: dict[str, list[int]] = {}
    for i in order:
        queues.setdefault(pool.categories[i], []).append(int(i))
    chosen: list[int] = []
    while len(chosen) < min(count, len(pool)):
        for category in sorted(queues):
            if queues[category] and len(chosen) < count:
                chosen.append(queues[category].pop(0))
    return chosen


def valid_id(text: str) -> bool:
    """Whether this could name a picture of a pool."""
    return bool(re.fullmatch(r"[A-Za-z0-9-]{1,80}\.[A-Za-z0-9-]{1,40}", text))
