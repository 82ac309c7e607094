"""Pictures to classify and to search.

Those of the run's data set that training never saw, where it is on this machine, or else the probe
pictures that every run brings along.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import streamlit as st
from jaxtyping import UInt8

import analysis
from analysis.picture_sets import PROBE_SPLIT, PictureSet
from analysis.recipes import Recorded, record
from app.parts import messages, splits
from app.server import jobs, recorded
from app.server.datasets import another_would_be_built, can_build, is_built, other_data
from limoe_core.config import ConfigError, DataConfig
from limoe_core.runs.directory import Part, Run, RunError


@dataclass(frozen=True, eq=False)
class Pool:
    """n pictures with their names, categories, styles and splits."""

    source: Recorded[PictureSet]
    """What it is made of, for whoever records what is made of that."""
    title: str
    """The set in words, with the name of the data set."""
    ids: tuple[str, ...]
    """Names in the address bar: code points and style, as in "1F34E.openmoji", or where these do
    not tell pictures apart the split and a number, as in "test.12"."""
    names: tuple[str, ...]
    """Concept names in the data set's first language."""
    keys: tuple[str, ...]
    """Code points of the concepts."""
    categories: tuple[str, ...]
    styles: tuple[str, ...]
    splits: tuple[str, ...]
    pictures: UInt8[np.ndarray, "n side side 3"]
    """On white, as they are shown."""
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of all concepts of the data set by language, where it is at hand."""
    split_words: Mapping[str, str] = field(default_factory=dict)
    """What the splits are in words, see `app.parts.splits.words_of`."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def place(self) -> dict[str, int]:
        """Index of each picture by its name in the address bar."""
        return {name: index for index, name in enumerate(self.ids)}

    def find(self, split: str, number: int, key: str, style: str) -> int | None:
        """Index of a picture of an evaluation; None where it is not here.

        Args:
          split, number: its place among the pictures of its split, which is also that of this pool
            where it has all of them.
          key, style: what it shows; where that is another picture's place here, one that alone
            shows the same is taken.
        """
        place = self._in_splits.get((split, number))
        if place is not None and (self.keys[place], self.styles[place]) == (key, style):
            return place
        same = self._shown.get((key, style), ())
        return same[0] if len(same) == 1 else None

    @cached_property
    def _in_splits(self) -> dict[tuple[str, int], int]:
        return {name: index for index, name in enumerate(_numbered(self.splits))}

    @cached_property
    def _shown(self) -> dict[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for index, shown in enumerate(zip(self.keys, self.styles, strict=True)):
            found.setdefault(shown, []).append(index)
        return found


def of_run(run: Run) -> Pool:
    """The pool of a run; loaded once per server, with progress.

    Raises:
      RunError: there is neither.
      ConfigError: the data set cannot be read.
    """
    config = run.config.data
    if is_built(config):
        key: tuple[Hashable, ...] = ("pool", config.name, config.config, config.dir)
        settings = recorded.opened(run).attribute("config").attribute("data")
        source = record(analysis.data_pictures, settings).through(
            lambda compute: jobs.result(
                key,
                lambda progress: compute(progress=progress),
                "Reading the test pictures of the data set",
            )
        )
    else:
        part, pictures = _brought_along(run)
        source = recorded.kept(record(pictures, recorded.opened(run)), run.stamp(part))
        key = source.key
    try:
        _ = source.value  # here and not below: nobody else waits for a job within a cache
        return replace(
            _pool(key, source),
            source=source.named("pictures"),
            split_words=splits.words_of(run),
        )
    except analysis.AnalysisError as error:
        raise RunError(f"{error}, and its data set is not on this machine") from error


def _brought_along(run: Run) -> tuple[Part, Callable[[Run], PictureSet]]:
    """What the run has where its data set is not here: the examples rather than the probes.

    Examples are mostly of what the model was trained to know; all concepts of probes are unseen.
    """
    if run.has("examples"):
        return "examples", analysis.example_pictures
    return "probe pictures", analysis.probe_pictures


@st.cache_resource(max_entries=16, show_spinner=False)
def _pool(key: tuple[Hashable, ...], _source: Recorded[PictureSet]) -> Pool:
    return of_set(_source)


def of_set(source: Recorded[PictureSet]) -> Pool:
    """The pool of a set of pictures."""
    found = source.value
    known = {column: tuple(map(str, values)) for column, values in found.known.items()}
    if found.texts:
        title = f"pictures of {found.name} held out from training"
        ids = _ids(known["key"], known["style"], known["split"])
    else:
        probes = set(known["split"]) <= {PROBE_SPLIT}
        title = f"{'probe' if probes else 'example'} pictures of {found.name}"
        numbered = tuple(f"probe.{i}" for i in range(len(found.pictures)))
        ids = numbered if probes else _ids(known["key"], known["style"], known["split"])
    return Pool(
        source=source,
        title=title,
        ids=ids,
        names=known["name"],
        keys=known["key"],
        categories=known["category"],
        styles=known["style"],
        splits=known["split"],
        pictures=on_white(found.pictures),
        texts=found.texts,
    )


def _ids(keys: Sequence[str], styles: Sequence[str], splits: Sequence[str]) -> tuple[str, ...]:
    """See `Pool.ids`."""
    named = [f"{key}.{style}" for key, style in zip(keys, styles, strict=True)]
    if all(map(valid_id, named)) and len(set(named)) == len(named):
        return tuple(named)
    return tuple(f"{split}.{number}" for split, number in _numbered(splits))


def _numbered(splits: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The split of each picture, and its place in it."""
    counts: Counter[str] = Counter()
    for split in splits:
        yield split, counts[split]
        counts[split] += 1


def say_whose(run: Run) -> None:
    """Says if the data set here is not what the run was trained on, or offers to build it."""
    if is_built(run.config.data) and (found := other_data(run)) is not None:
        messages.say("warning", found)
    _offer_build(run)


def _offer_build(run: Run) -> None:
    config = run.config.data
    if not can_build(config):
        return
    left, right = st.columns([4, 1], vertical_alignment="center")
    with left:
        messages.say(
            "info",
            "The run's data set is not built on this machine, so the pictures here are those that "
            f"the run brings along. Building takes minutes.{another_would_be_built(run)}",
        )
    with right:
        wanted = st.button("Build the data set", key="pool.build", width="stretch")
    key = ("build", config.name, config.config, config.dir)
    if wanted:
        jobs.want(key)
    if wanted or jobs.running(key):
        try:
            jobs.result(key, partial(_build, config), "Building the data set")
        except (ConfigError, OSError) as error:
            messages.say("error", f"It cannot be built: {error}")
            return
        st.rerun()


def _build(config: DataConfig, progress: jobs.Progress) -> None:
    from limoe_core.data.source import make_ready

    make_ready(config, progress=progress)


def on_white(pictures: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures without transparency, on white."""
    if pictures.shape[-1] == 3:
        return pictures
    alpha = pictures[..., 3:].astype(np.uint16)
    mixed = pictures[..., :3].astype(np.uint16) * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def first_ones(pool: Pool, count: int) -> list[int]:
    """Pictures to open with: of the pool's first split, of the others only if it has too few.

    Of each split from each category in turn, in a fixed random order.
    """
    return _one_after_the_other(pool)[:count]


def some_of_all(pool: Pool, count: int) -> list[int]:
    """Pictures for a gallery, as those to open with; of many, half are of the other splits."""
    order = _one_after_the_other(pool)
    first = [i for i in order if pool.splits[i] == pool.splits[order[0]]]
    others = order[len(first) :]
    some = min(len(others), max(count // 2, count - len(first)))
    return [*first[: max(0, count - some)], *others[:some]]


def _one_after_the_other(pool: Pool) -> list[int]:
    """All pictures, split by split, each from its categories in turn."""
    turn: Counter[tuple[str, str]] = Counter()
    rank = {split: place for place, split in enumerate(dict.fromkeys(pool.splits))}
    keys: dict[int, tuple[int, int, str]] = {}
    for i in np.random.default_rng(0).permutation(len(pool)).tolist():
        split, category = pool.splits[i], pool.categories[i]
        keys[i] = (rank[split], turn[split, category], category)
        turn[split, category] += 1
    return sorted(keys, key=keys.__getitem__)


def valid_id(text: str) -> bool:
    """Whether this could name a picture of a pool."""
    return bool(re.fullmatch(r"[A-Za-z0-9_-]{1,80}\.[A-Za-z0-9-]{1,40}", text))
