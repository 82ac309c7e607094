"""Logs of training, read as they grow, once per server."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import analysis
from analysis.recipes import Recorded, record
from analysis.training import RouterLog, ScalarLog
from app.server import recorded
from limoe_core.runs import Run
from limoe_core.runs.metrics import GrowingLog

if TYPE_CHECKING:
    import pandas as pd

#: Runs whose logs are kept.
_MOST = 32


@dataclass(frozen=True, eq=False)
class Logged:
    """What a run has logged until now."""

    scalars: Recorded[pd.DataFrame]
    """`analysis.training_frame`."""
    routers: Recorded[pd.DataFrame]
    """`analysis.training_routers`."""
    alarms: Recorded[pd.DataFrame]
    """`analysis.training_alarms`."""


def logged(run: Run) -> Logged:
    """The run's log as frames; only what was added since the last call is read.

    Raises:
      RunError: it is there and cannot be read.
      AnalysisError: it does not hold what training writes.
    """
    scalars, routers, mark = _kept(run).frames(run)
    call = recorded.opened(run)
    frame = record(analysis.training_frame, call).through(lambda _: scalars, mark)
    table = record(analysis.training_routers, call).through(lambda _: routers, mark)
    alarms = recorded.measured(
        analysis.training_alarms,
        recorded.opened(run, run.stamp("progress")),
        frame.named("scalars"),
        table.named("routers"),
    )
    return Logged(frame, table, alarms)


@dataclass
class _Log:
    """One run's log, and the frames that were made of it last."""

    log: GrowingLog
    scalars: ScalarLog = field(default_factory=ScalarLog)
    routers: RouterLog = field(default_factory=RouterLog)
    made: tuple[pd.DataFrame, pd.DataFrame] | None = None
    mark: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def frames(self, run: Run) -> tuple[pd.DataFrame, pd.DataFrame, int]:
        """Scalars and routers until now, and a number that tells them from earlier ones."""
        with self.lock:
            goes_on, lines = self.log.more()
            if not goes_on:
                self.scalars, self.routers, self.made = ScalarLog(), RouterLog(), None
            for line in lines:
                self.scalars.add(line)
                self.routers.add(line)
            if lines or self.made is None:
                self.made = self.scalars.frame(run.config.data.batch_size), self.routers.frame()
                self.mark = next(_MARKS)
            return *self.made, self.mark


_MARKS = itertools.count(1)
_LOGS: OrderedDict[Path, _Log] = OrderedDict()
_LOCK = threading.Lock()


def _kept(run: Run) -> _Log:
    with _LOCK:
        log = _LOGS.pop(run.path, None) or _Log(GrowingLog(run.path_of("metrics"), run.within))
        _LOGS[run.path] = log
        while len(_LOGS) > _MOST:
            _LOGS.popitem(last=False)
        return log
