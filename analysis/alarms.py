"""What went wrong in a training run, from its log: each alarm with the rule that raised it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis.training import training_frame, training_routers
from limoe_core.config import Config
from limoe_core.runs.progress import Progress
from limoe_core.training.alarms import DEAD, PATIENCE, TAKEN_OVER

#: A modality that loses more than this share of its choices is being dropped.
_DROPPED = 0.1
#: A gradient this many times the median of the lines before it is a spike.
_SPIKE = 5.0
#: Lines that this median is taken over, and how many there must be.
_SPIKE_LINES, _SPIKE_LEAST = 50, 10
#: Throughput below this share of the run's best has fallen.
_SLOW = 0.6

#: The rule of each alarm, in words.
RULES: dict[str, str] = {
    "training failed": "training said so when it ended",
    "not finite": "a loss or a gradient norm was logged as not a number, or as infinite",
    "gradient spike": f"the gradient norm, before clipping, is over {_SPIKE:g} times the median of "
    f"the {_SPIKE_LINES} logged lines before it",
    "modality on one expert": f"over {TAKEN_OVER:.0%} of a modality's tokens have the same first "
    f"choice, {PATIENCE} logged lines in a row",
    "dead expert": f"an expert is the first choice of under {DEAD:.1%} of the tokens of every "
    f"modality, {PATIENCE} logged lines in a row",
    "modality dropped": f"over {_DROPPED:.0%} of a modality's choices find no place in the "
    f"experts' buffers, {PATIENCE} logged lines in a row",
    "throughput fell": f"the median throughput of {PATIENCE} logged lines is under {_SLOW:.0%} of "
    "the highest such median before, among steps that show as many patches",
}

_COLUMNS = [
    "alarm", "since", "last", "times", "layer", "expert", "modality", "value", "sentence", "rule",
]  # fmt: skip


class WatchedRun(Protocol):
    """The part of a `limoe_core.runs.directory.Run` that is read here."""

    @property
    def config(self) -> Config: ...
    def metrics(self) -> list[dict[str, Any]]: ...
    def progress(self) -> Progress | None: ...


def training_alarms(
    run: WatchedRun, frame: pd.DataFrame | None = None, routers: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Signs in a run's log that training went or goes wrong; no rows where there is none.

    One row per alarm and what it is about, those that hold at the end of the log first. Columns:
      alarm: one of `analysis.alarms.RULES`;
      since, last: the first and the last step at which its rule held;
      times: how often it began to hold;
      layer, expert, modality: what it is about; missing where it is about the whole run;
      value: the highest gradient norm, the largest share, the lowest throughput; may be missing;
      sentence: what happened, in words;
      rule: when the alarm is raised.

    Args:
      frame: `analysis.training_frame(run)` if already made; made of the run otherwise.
      routers: `analysis.training_routers(run)`, likewise.
    """
    frame = training_frame(run) if frame is None else frame
    routers = training_routers(run) if routers is None else routers
    rows = [
        *_failed(run.progress()),
        *_not_finite(frame),
        *_spikes(frame),
        *_of_routers(routers),
        *_slow(frame, run.config),
    ]
    end = max([0, *frame["step"].unique(), *routers["step"].tail(1)])
    # What holds still comes first, then what began last.
    rows.sort(key=lambda row: (row["last"] < end, -row["since"]))
    found = pd.DataFrame([{**row, "rule": RULES[row["alarm"]]} for row in rows], columns=_COLUMNS)
    return found.astype({"layer": "Int64", "expert": "Int64", "value": "float64"})


def _row(alarm: str, since: int, last: int, sentence: str, **more: Any) -> dict[str, Any]:
    empty = {"times": 1, "layer": None, "expert": None, "modality": None, "value": None}
    return {
        "alarm": alarm,
        "since": int(since),
        "last": int(last),
        "sentence": sentence,
        **empty,
        **more,
    }


def _failed(progress: Progress | None) -> Iterator[dict[str, Any]]:
    if progress is not None and progress.phase == "failed":
        yield _row("training failed", progress.step, progress.step, progress.note)


def _series(
    frame: pd.DataFrame, name: str
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    rows = frame[(frame["measure"] == name) & frame["layer"].isna()]
    return rows["step"].to_numpy(), rows["value"].to_numpy(float)


def _not_finite(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for name, title in (("loss", "loss"), ("gradient_norm", "gradient norm")):
        steps, values = _series(frame, name)
        wrong = steps[~np.isfinite(values)]
        if len(wrong):
            yield _row(
                "not finite",
                wrong[0],
                wrong[-1],
                f"The {title} is no finite number at step {wrong[0]:,}"
                + (f" and at {len(wrong) - 1:,} logged steps after it." if len(wrong) > 1 else "."),
                times=len(wrong),
            )


def _spikes(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    steps, values = _series(frame, "gradient_norm")
    before = pd.Series(values).shift().rolling(_SPIKE_LINES, min_periods=_SPIKE_LEAST)
    usual = before.median().to_numpy()
    spikes = np.flatnonzero(values > _SPIKE * usual)
    if not len(spikes):
        return
    worst = spikes[np.argmax(values[spikes] / usual[spikes])]
    yield _row(
        "gradient spike",
        steps[spikes[0]],
        steps[spikes[-1]],
        f"The gradient norm is {values[worst]:.3g} at step {steps[worst]:,}, "
        f"{values[worst] / usual[worst]:.0f} times what it was before"
        + (f"; {len(spikes):,} logged steps have such a spike." if len(spikes) > 1 else "."),
        times=len(spikes),
        value=values[spikes].max(),
    )


def _slow(frame: pd.DataFrame, config: Config) -> Iterator[dict[str, Any]]:
    all_steps, all_values = _series(frame, "pairs_per_second")
    whole = all_steps > config.train.steps - config.train.full_patch_steps
    for part in (~whole, whole):
        steps, values = all_steps[part], all_values[part]
        if len(steps) < 2 * PATIENCE:
            continue
        median = pd.Series(values).rolling(PATIENCE).median()
        best = median.cummax().shift().to_numpy()
        slow = median.to_numpy() < _SLOW * best
        for since, last, times in _spells(slow[:, None], 1).values():
            least = float(median.iloc[since : last + 1].min())
            yield _row(
                "throughput fell",
                steps[since],
                steps[last],
                f"Throughput fell to {least:,.0f} pairs per second, from {best[since]:,.0f} before "
                f"step {steps[since]:,}. Another process may use the same device, or data may be "
                "read more slowly.",
                times=times,
                value=least,
            )


def _of_routers(routers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for layer in routers["layer"].unique().tolist():
        rows = routers[routers["layer"] == layer]
        shares, dropped = {}, {}
        for modality, mine in rows.groupby("modality"):
            table = mine.pivot(index="step", columns="expert", values="share")
            shares[str(modality)] = table
            dropped[str(modality)] = mine.drop_duplicates("step").set_index("step")["dropped"]
        for modality, table in shares.items():
            yield from _one_expert(layer, modality, table)
            yield from _dropped(layer, modality, dropped[modality])
        yield from _dead(layer, shares)


def _one_expert(layer: int, modality: str, shares: pd.DataFrame) -> Iterator[dict[str, Any]]:
    if shares.shape[1] < 2:  # one expert takes all by design
        return
    steps, values = shares.index.to_numpy(), shares.to_numpy(float)
    for expert, (since, last, times) in _spells(values > TAKEN_OVER, PATIENCE).items():
        most = float(np.nanmax(values[since : last + 1, expert]))
        yield _row(
            "modality on one expert",
            steps[since],
            steps[last],
            f"In block {layer}, E{expert} is the first choice of up to {most:.0%} of all "
            f"{modality} tokens: the router has collapsed for {modality}s. A larger "
            f"--loss.global-entropy-{modality} or --loss.importance may help.",
            times=times,
            layer=layer,
            expert=expert,
            modality=modality,
            value=most,
        )


def _dead(layer: int, shares: dict[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    tables = [table for table in shares.values() if np.nansum(table.to_numpy(float)) > 0]
    if not tables:
        return
    steps = tables[0].index.to_numpy()
    most = np.max([table.reindex(steps).to_numpy(float) for table in tables], axis=0)
    for expert, (since, last, times) in _spells(most < DEAD, PATIENCE).items():
        yield _row(
            "dead expert",
            steps[since],
            steps[last],
            f"In block {layer}, E{expert} gets under {DEAD:.1%} of the tokens of any modality: it "
            "is dead. A larger --loss.importance or --loss.load may help.",
            times=times,
            layer=layer,
            expert=expert,
            value=float(np.nanmin(most[since : last + 1, expert])),
        )


def _dropped(layer: int, modality: str, dropped: pd.Series) -> Iterator[dict[str, Any]]:
    steps, values = dropped.index.to_numpy(), dropped.to_numpy(float)
    for since, last, times in _spells(values[:, None] > _DROPPED, PATIENCE).values():
        most = float(np.nanmax(values[since : last + 1]))
        yield _row(
            "modality dropped",
            steps[since],
            steps[last],
            f"In block {layer}, up to {most:.0%} of the choices of {modality} tokens find no "
            f"place: the experts that {modality}s go to are full. A larger --model.capacity-factor "
            "or more balance between the experts may help.",
            times=times,
            layer=layer,
            modality=modality,
            value=most,
        )


def _spells(holds: Bool[np.ndarray, "n k"], patience: int) -> dict[int, tuple[int, int, int]]:
    """Where a rule held for so many lines in a row: of each column its first and last line, and how
    often it began to hold; columns in which it never did are left out."""
    found = {}
    for column in np.flatnonzero(holds.sum(axis=0) >= patience):
        edges = np.diff(np.concatenate([[0], holds[:, column].astype(int), [0]]))
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        long = ends - starts >= patience
        if long.any():
            found[int(column)] = (int(starts[long][0]), int(ends[long][-1] - 1), int(long.sum()))
    return found
