"""Writing a run that holds traces of another model, pair by pair.

    with TraceWriter("checkpoints/some-model") as writer:
        for start in range(writer.pairs, len(pairs), 16):
            writer.add(trace_of(pairs[start : start + 16]))  # a RoutingTrace

Killed at any moment, the run is whole with the pairs so far, and the same lines go on from there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from limoe_core import confined
from limoe_core.files import replacing, write_json
from limoe_core.locks import AlreadyLockedError, locked
from limoe_core.runs import probes
from limoe_core.runs.description import check_name
from limoe_core.runs.directory import Run
from limoe_core.runs.files import (
    CONFIG,
    MOST_ARRAYS,
    PROBES,
    RECORDING,
    RUN_FORMAT,
    RunError,
    is_step,
)
from limoe_core.runs.making import made
from limoe_core.runs.other_models import OtherModel
from limoe_core.trace import RoutingTrace

#: Gate values are kept in so many steps, at most 0.002 of the largest off.
GATE_STEPS = 255
_UNREADABLE = "these pairs could not be read again, and are not written"
#: A part that was never whole, as `replacing` calls it.
_LEFTOVER = re.compile(r"\.[0-9]{8}-[0-9]{8}\.[a-z0-9_]+\.npz")


class TraceWriter:
    """Adds traces of a model's pairs to a run, which is made with the first; a context manager."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        step: int = 0,
        data: str | None = None,
        gate_steps: int | None = GATE_STEPS,
    ) -> None:
        """
        Args:
          step: of the model's training, where several are recorded.
          data: what the pairs are of, for the reader.
          gate_steps: as in `RoutingTrace.save`.

        Raises:
          RunError: the name is unusable, or something else is at `path`.
        """
        self.path = Path(os.path.abspath(path))
        self.step = step
        self._data = data
        self._gate_steps = gate_steps
        self._lock = ExitStack()
        self.run = Run.in_the_way(self.path)
        if self.run is not None and self.run.other is None:
            raise RunError(f"{self.path} is a run of training; choose another name for the traces")
        if type(step) is not int or step < 0:
            raise RunError(f"step must be a whole number from 0 on, not {step!r}")

    @property
    def pairs(self) -> int:
        """Pairs of this step that are recorded already."""
        return 0 if self.run is None else self.run.recorded_pairs(self.step)

    def add(self, trace: RoutingTrace) -> None:
        """Adds the next pairs; when it returns, they are in the run.

        Raises:
          RunError: they are of another model than the run's, or cannot be written.
        """
        if not trace.num_pairs:
            return
        try:
            if self.run is None:
                self._create(trace)
            else:
                self.check(trace)
                folder = self._folder(self.run.path)
                folder.mkdir(parents=True, exist_ok=True)
                self._write(folder, self.pairs, trace)
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror}") from error

    def _create(self, trace: RoutingTrace) -> None:
        check_name(self.path.name)
        info: dict[str, Any] = {
            "format": RUN_FORMAT,
            "recorded": self._described(trace),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **({} if self._data is None else {"data": {"name": self._data}}),
        }
        with made(self.path) as temporary:
            folder = self._folder(temporary)
            folder.mkdir(parents=True)
            self._write(folder, 0, trace)
            write_json(temporary / CONFIG, info)
        self.run = Run.open(self.path)
        self._hold()

    def check(self, trace: RoutingTrace) -> None:
        """Looks whether pairs may be added to the run.

        Raises:
          RunError: they are of another model than the run's, or were recorded in another way.
        """
        if self.run is None:
            return
        assert self.run.other is not None
        try:
            self.run.other.check(trace)
        except ValueError as error:
            raise RunError(f"{self.path}: {error}; choose another name") from error
        known: Mapping[str, str] = self.run.other.made_by
        for name in ("model", "revision", "prompt"):
            if known.get(name) != trace.made_by.get(name):
                raise RunError(
                    f"{self.path} was recorded with {name} {known.get(name)!r}, not "
                    f"{trace.made_by.get(name)!r}; choose another name"
                )

    def _described(self, trace: RoutingTrace) -> dict[str, Any]:
        said = OtherModel.of(trace).to_dict()
        try:
            OtherModel.read(said)
        except ValueError as error:
            raise RunError(f"{self.path}: {_UNREADABLE}: {error}") from error
        return said

    def _write(self, folder: Path, start: int, trace: RoutingTrace) -> None:
        """Writes a part and reads it again, so that no run ever holds one that no reader takes."""
        with replacing(probes.part(folder, start, start + trace.num_pairs)) as temporary:
            try:
                trace.save(temporary, gate_steps=self._gate_steps)
                if (size := temporary.stat().st_size) > MOST_ARRAYS:
                    raise ValueError(
                        f"they take {size:,} bytes, and at most {MOST_ARRAYS:,} are read"
                    )
                with temporary.open("rb") as file:
                    OtherModel.of(trace).check(RoutingTrace.load(file))
            except ValueError as error:
                raise RunError(f"{self.path}: {_UNREADABLE}: {error}") from error

    def _folder(self, run: Path) -> Path:
        return run / PROBES / str(self.step)

    def _hold(self) -> None:
        try:
            self._lock.enter_context(locked(self.path / RECORDING, wait=False))
        except AlreadyLockedError:
            raise RunError(
                f"{self.path} is being recorded by another process; wait for it, or choose "
                "another name"
            ) from None

    def __enter__(self) -> Self:
        if self.run is not None:
            self._hold()
            self._clear()
        return self

    def _clear(self) -> None:
        """Removes what writers that were killed left of parts; nothing else is theirs."""
        probe_folder = self.path / PROBES
        with suppress(OSError, confined.RefusedError):  # not there, or leads out of the run
            for step in filter(is_step, confined.names(probe_folder, within=self.path)):
                with suppress(OSError, confined.RefusedError):
                    folder = confined.real(probe_folder / step, self.path)
                    for name in filter(_LEFTOVER.fullmatch, confined.names(folder)):
                        (folder / name).unlink()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.close()
