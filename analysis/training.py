"""What a run logged of its training, as tidy frames."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from limoe_core.config import Config
from limoe_core.trace import MODALITIES

#: Most different scalars in a log; a log of training has a few tens.
_MOST_MEASURES = 1000
#: Pairs per second below which nothing is trained, so that no time is endless.
_LEAST_SPEED = 1e-6
_LONGEST_NAME = 200
#: Keys of a line that are no measures: when it was written, and what is in `training_routers`.
_NO_MEASURES = ("step", "time", "routers", "warning")
#: Numbers that say what validation asked, not how it went.
_ASKED = ("validation.n", "validation.ways", "validation.ways_all")
#: Of a router, by modality.
_OF_ROUTERS = ("dropped", "local_entropy", "global_entropy")
_COLUMNS = ["step", "pictures", "hours", "measure", "layer", "modality", "value"]


class LoggedRun(Protocol):
    """The part of a `limoe_core.runs.directory.Run` that is read here."""

    @property
    def config(self) -> Config: ...
    def metrics(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Measure:
    """A scalar that training logs."""

    title: str
    unit: str
    group: str


#: Scalars of a log by their names in metrics.jsonl, nested ones joined by dots, in the order of a
#: figure's rows. `auxiliary.total` is made of two of them.
MEASURES: dict[str, Measure] = {
    "loss": Measure("total loss", "nats", "loss"),
    "contrastive": Measure("contrastive loss", "nats", "loss"),
    "auxiliary.total": Measure("auxiliary losses, weighted", "nats", "loss"),
    "batch_accuracy": Measure("accuracy in the batch", "share", "loss"),
    "auxiliary.importance": Measure("importance loss", "CV²", "auxiliary"),
    "auxiliary.load": Measure("load loss", "CV²", "auxiliary"),
    "auxiliary.z_loss": Measure("z-loss", "nats²", "auxiliary"),
    "auxiliary.local_entropy_image": Measure("local entropy loss, image", "nats", "auxiliary"),
    "auxiliary.local_entropy_text": Measure("local entropy loss, text", "nats", "auxiliary"),
    "auxiliary.global_entropy_image": Measure("global entropy loss, image", "nats", "auxiliary"),
    "auxiliary.global_entropy_text": Measure("global entropy loss, text", "nats", "auxiliary"),
    "learning_rate": Measure("learning rate", "", "optimizer"),
    "gradient_norm": Measure("gradient norm", "before clipping", "optimizer"),
    "temperature": Measure("temperature", "", "optimizer"),
    "pairs_per_second": Measure("throughput", "pairs per second", "throughput"),
    "validation.top1": Measure("validation top-1", "share", "validation"),
    "validation.top5": Measure("validation top-5", "share", "validation"),
    "validation.top1_all": Measure("validation top-1 of all names", "share", "validation"),
    "validation.top5_all": Measure("validation top-5 of all names", "share", "validation"),
    "routers.dropped": Measure("dropped in training", "share of choices", "routers"),
    "routers.local_entropy": Measure("token entropy", "nats", "routers"),
    "routers.global_entropy": Measure("mean entropy", "nats", "routers"),
}


def measure(name: str) -> Measure:
    """What a logged scalar is; one of another version goes by its name in the log."""
    if name in MEASURES:
        return MEASURES[name]
    known = name.split(".")[0] in ("auxiliary", "validation")
    return Measure(name, "", name.split(".")[0] if known else "other")


def training_frame(run: LoggedRun) -> pd.DataFrame:
    """Every scalar that training logged: one row per step, measure, layer and modality.

    Columns:
      step: training steps done.
      pictures: pictures shown until then, step · batch size.
      hours: spent in training steps until then, from the logged throughput: compiling counts,
        probes, validation and the time between a stop and a resume do not.
      measure: its name in metrics.jsonl (see `analysis.training.MEASURES`), and `auxiliary.total`,
        the total loss less the contrastive loss.
      layer, modality: of routers; missing otherwise.
      value: missing where it was logged as not finite.

    A later line about the same step wins.

    Raises:
      AnalysisError: the log has more different scalars than training can have.
    """
    log = ScalarLog()
    for line in run.metrics():
        log.add(line)
    return log.frame(run.config.data.batch_size)


class ScalarLog:
    """The scalars of a log, taken line by line as it grows."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, int, str], dict[int, float]] = defaultdict(dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes one line of the log.

        Raises:
          AnalysisError: as `training_frame`.
        """
        if "step" not in line:
            return
        step = int(line["step"])
        for name, layer, modality, value in _scalars(line):
            self._series[name, layer, modality][step] = value
        if len(self._series) > _MOST_MEASURES:
            raise AnalysisError(
                f"the log has more than {_MOST_MEASURES:,} different scalars, which no log of "
                "training has"
            )

    def frame(self, batch_size: int) -> pd.DataFrame:
        """What `training_frame` gives of the lines so far."""
        series = self._series
        order = {name: place for place, name in enumerate(MEASURES)}
        clock = _hours(series.get(("pairs_per_second", 0, ""), {}), batch_size)
        parts = []
        for name, layer, modality in sorted(series, key=lambda key: (order.get(key[0], 99), key)):
            values = series[name, layer, modality]
            steps = np.array(sorted(values), np.int64)
            parts.append(
                pd.DataFrame(
                    {
                        "step": steps,
                        "pictures": steps * batch_size,
                        "hours": np.interp(steps, *clock) if len(clock[0]) else np.nan,
                        "measure": name,
                        "layer": layer or pd.NA,
                        "modality": modality or None,
                        "value": np.array([values[step] for step in steps.tolist()]),
                    }
                ).astype({"layer": "Int64", "modality": object})
            )
        if not parts:
            types = {"step": "int64", "pictures": "int64", "layer": "Int64", "value": "float64"}
            return pd.DataFrame(columns=_COLUMNS).astype(types)
        return pd.concat(parts, ignore_index=True)


def training_rows(
    frame: pd.DataFrame, measures: Sequence[str], layer: int | None = None
) -> pd.DataFrame:
    """The rows of some measures of a `training_frame`, those of routers at one layer.

    Args:
      measures: their names in the log.
      layer: block number of the routers; None leaves them out.
    """
    of_layer = frame["layer"].isna() | (frame["layer"] == layer if layer is not None else False)
    return frame[frame["measure"].isin(measures) & of_layer].reset_index(drop=True)


def training_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Where each logged scalar is, and where it has been: one row per series.

    Args:
      frame: `training_frame`, or several of them from `analysis.join_runs`.

    Columns: run (if `frame` has it), measure, layer, modality, title, unit, newest, at (its step),
    least, most, first and lines (logged values that are finite).
    """
    names = [name for name in ("run", "measure", "layer", "modality") if name in frame]
    rows = []
    for key, series in frame.groupby(names, dropna=False, sort=False):
        values = series["value"].to_numpy(float)
        known = values[np.isfinite(values)]
        about = measure(str(dict(zip(names, key, strict=True))["measure"]))
        rows.append(
            dict(zip(names, key, strict=True))
            | {"title": about.title, "unit": about.unit}
            | {"newest": values[-1], "at": int(series["step"].iloc[-1])}
            | {
                "least": known.min() if len(known) else np.nan,
                "most": known.max() if len(known) else np.nan,
                "first": values[0],
                "lines": len(known),
            }
        )
    columns = [*names, "title", "unit", "newest", "at", "least", "most", "first", "lines"]
    return pd.DataFrame(rows, columns=columns).astype({"layer": "Int64"})


def _scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, int, str, float]]:
    """Name, layer, modality and value of each scalar in a line; 0 and "" where there is none."""
    found = dict(_flat({key: value for key, value in line.items() if key not in _NO_MEASURES}))
    if "loss" in found and "contrastive" in found:
        found["auxiliary.total"] = found["loss"] - found["contrastive"]
    for name, value in found.items():
        # Names go into tables and figures, which take no lone surrogates.
        if name not in _ASKED and len(name) <= _LONGEST_NAME and name.isprintable():
            yield name, 0, "", value
    routers = line.get("routers")
    for router in routers if isinstance(routers, list) else ():
        if not isinstance(router, dict) or not _is_layer(router.get("layer")):
            continue
        for name in _OF_ROUTERS:
            of_modality = router.get(name)
            if isinstance(of_modality, dict):
                for modality in MODALITIES:
                    if number := _number(of_modality.get(modality)):
                        yield f"routers.{name}", router["layer"], modality, number[0]


def _is_layer(value: object) -> bool:
    return type(value) is int and 0 < value < 2**31


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            if not before:  # no line of training is deeper
                yield from _flat(value, f"{name}.")
        elif number := _number(value):
            yield name, number[0]


def _number(value: object) -> tuple[float] | None:
    """The number; not a number for null, which stands for one that is not finite."""
    if value is None:
        return (math.nan,)
    if type(value) in (int, float):
        return (float(value),)  # type: ignore[arg-type]
    return None


def _hours(speed: Mapping[int, float], batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and the hours spent in steps until then; both empty where no throughput is logged."""
    steps = np.array(
        sorted(step for step, pairs in speed.items() if pairs > _LEAST_SPEED), np.int64
    )
    if not len(steps):
        return steps, steps.astype(float)
    pairs = np.diff(steps, prepend=0) * batch
    seconds = np.cumsum(pairs / np.array([speed[step] for step in steps.tolist()]))
    return np.concatenate([[0], steps]), np.concatenate([[0.0], seconds / 3600])


def training_routers(run: LoggedRun) -> pd.DataFrame:
    """Routing of the training batches themselves, from metrics.jsonl.

    One row per step, layer, modality and expert. Columns: step, layer, modality, expert, share (of
    the modality's tokens, by first choice), and, the same for all experts of a layer, dropped,
    local_entropy and global_entropy (nats). Noise and capacity are those of training, and each step
    has other pairs; the probe traces show the same pairs throughout.

    Raises:
      AnalysisError: a line does not hold routers as training writes them.
    """
    log = RouterLog()
    for line in run.metrics():
        log.add(line)
    return log.frame()


class RouterLog:
    """The routers of a log, taken line by line as it grows."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, str], tuple[list[float], list[float]]] = {}

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes one line of the log.

        Raises:
          AnalysisError: as `training_routers`.
        """
        try:
            for router in line.get("routers") or ():
                if not _is_layer(router["layer"]):
                    raise ValueError
                if len({len(shares) for shares in router["share"].values()}) > 1:
                    raise ValueError  # modalities of one router have the same experts
                for modality, shares in router["share"].items():
                    self._found[int(line["step"]), router["layer"], str(modality)] = (
                        [_logged(share) for share in shares],
                        [_logged(router[name][modality]) for name in _OF_ROUTERS],
                    )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnalysisError(
                f"the line of step {line.get('step')} in the log does not hold routers as training "
                "writes them"
            ) from error

    def frame(self) -> pd.DataFrame:
        """What `training_routers` gives of the lines so far."""
        found, keys = self._found, sorted(self._found)
        counts = np.array([len(found[key][0]) for key in keys], np.int64)
        rest = np.array([found[key][1] for key in keys], float).reshape(-1, len(_OF_ROUTERS))
        return pd.DataFrame(
            {
                "step": np.repeat(np.array([key[0] for key in keys], np.int64), counts),
                "layer": np.repeat(np.array([key[1] for key in keys], np.int64), counts),
                "modality": np.repeat(np.array([key[2] for key in keys], object), counts),
                "expert": np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts),
                "share": np.array([share for key in keys for share in found[key][0]], float),
                **{name: np.repeat(rest[:, i], counts) for i, name in enumerate(_OF_ROUTERS)},
            }
        )


def _logged(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]
