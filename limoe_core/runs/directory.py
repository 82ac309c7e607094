"""The run directory: the one thing that training, analysis and the dashboard share.

Training writes it and everything else reads it, whether it is finished, still growing, or copied
from another machine. Files are replaced whole, a metrics line is one write, and steps are renamed
into place, so a reader may come at any moment. Nothing in it is ever executed: no pickle.

    <run>/config.json         settings, data set, seed, package versions
          tokenizer.model     text to ids for this model
          metrics.jsonl       one line a logged step
          evaluations.json    {task: {step: result}}
          steps/<n>/          parameters, optimizer, input position (`limoe_core.runs.checkpoints`)
          probes/<n>.npz      RoutingTrace of a fixed set of validation pairs at step n
          probes/pictures.npz the pictures of those pairs
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core.config import RUN_FORMAT, Config, ConfigError
from limoe_core.runs.files import (
    DAMAGE,
    RunError,
    read_json,
    replacing,
    to_json,
    whole_steps,
    write_json,
)

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from limoe_core.runs.checkpoints import StepStore, Tree
    from limoe_core.tokenizer import Tokenizer
    from limoe_core.trace import RoutingTrace

__all__ = ["Run", "RunError", "RunListing", "export_params", "find_run", "list_runs"]

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "sentencepiece",
    "numpy",
)


@dataclass(frozen=True)
class Run:
    """One run directory. Every method reads the disk afresh, so a growing run shows its growth."""

    path: Path
    config: Config
    info: dict[str, Any]
    """The rest of config.json: format, data, versions, seed, created, parameters."""

    @property
    def name(self) -> str:
        """Name of the folder, which is the name of the run."""
        return self.path.name

    def __repr__(self) -> str:
        size = self.info.get("parameters")
        data = self.info.get("data") or {}
        lines = [
            f"Run({str(self.path)!r})",
            self.config.model.summary + (f"; {size:,} parameters" if size else ""),
            f"data: {data.get('name', self.config.data.name)}",
            f"checkpoints: {', '.join(map(str, self.steps())) or 'none yet'}"
            f" of {self.config.train.steps} steps",
        ]
        return "\n  ".join(lines)

    # ---- opening

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        config: Config,
        *,
        data: Mapping[str, Any] | None = None,
        parameters: int | None = None,
        exist: bool = False,
    ) -> Run:
        """Starts a run directory.

        Args:
          data: what it trains on, such as `{"name": "emoji/full:1.0.0"}`.
          parameters: size of the model.
          exist: open the run instead if one with the same settings is there.

        Raises:
          RunError: the name is unusable, or something else is at `path`.
        """
        place = Path(os.path.abspath(path))
        _check_name(place.name)
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            return cls._reuse(place, config, exist)
        info = {
            "format": RUN_FORMAT,
            "config": config.to_dict(),
            "data": dict(data or {}),
            "versions": _versions(),
            "seed": config.train.seed,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": parameters,
        }
        # Filled under another name first: no reader ever meets a run without its config.
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            write_json(temporary / "config.json", info)
            os.rename(temporary, place)
        except OSError as error:
            raise RunError(f"{place} cannot be created: {error.strerror}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls.open(place)

    @classmethod
    def _reuse(cls, place: Path, config: Config, exist: bool) -> Run:
        if not (place / "config.json").is_file():
            raise RunError(f"{place} exists and is not a run; choose another name")
        if not exist:
            raise RunError(f"{place} is a run already; resume it, or choose another name")
        run = cls.open(place)
        if run.config != config:
            raise RunError(f"{place} was started with other settings; choose another name")
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Opens a run directory for reading, or to go on with it.

        Raises:
          RunError: it is missing, foreign, damaged, or written by a newer version.
        """
        place = Path(os.path.abspath(path))
        if not place.exists():
            raise RunError(f"there is no run at {place}")
        if not place.is_dir():
            raise RunError(f"{place} is a file; a run is a folder with a config.json")
        if not (place / "config.json").exists():
            raise RunError(f"{place} is not a run: it has no config.json")
        info = read_json(place / "config.json")
        form = info.get("format")
        if not isinstance(form, int) or isinstance(form, bool) or "config" not in info:
            raise RunError(f"{place}/config.json is not that of a LIMoE Lens run")
        if form > RUN_FORMAT:
            raise RunError(
                f"{place} was written by a newer version (format {form}, this one reads up to "
                f"{RUN_FORMAT}); update LIMoE Lens to open it"
            )
        try:
            config = Config.from_dict(info["config"])
        except ConfigError as error:
            raise RunError(f"{place}/config.json: {error}") from error
        return cls(place, config, {key: value for key, value in info.items() if key != "config"})

    # ---- parameters

    def steps(self) -> list[int]:
        """Steps whose parameters are on disk, whole, in rising order."""
        return whole_steps(self.path / "steps")

    def checkpoints(self, *, keep: int = 3, keep_period: int = 0) -> StepStore:
        """The store to write steps with; close it when done. See `StepStore`."""
        from limoe_core.runs.checkpoints import (
            StepStore,  # here, since Orbax takes seconds to import
        )

        return StepStore(self.path / "steps", keep=keep, keep_period=keep_period)

    def restore_params(self, step: int | None = None, target: Tree | None = None) -> Tree:
        """Parameters of a step, by default the newest: see `checkpoints.read_params`."""
        from limoe_core.runs.checkpoints import read_params

        return read_params(self.path / "steps", self.resolve_step(step), target)

    def resolve_step(self, step: int | None = None) -> int:
        """`step` if the run has it, or its newest one.

        Raises:
          RunError: the run has no such step, or none yet.
        """
        steps = self.steps()
        if not steps:
            raise RunError(f"{self.path} has no checkpoint yet")
        if step is None:
            return steps[-1]
        if step not in steps:
            raise RunError(f"{self.path} has no step {step}; it has {', '.join(map(str, steps))}")
        return step

    # ---- metrics

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Adds one line; a NaN is written as null. One writer at a time."""
        line = to_json(values) + "\n"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.path / "metrics.jsonl", flags, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = "\n" + line  # leaves a line torn by a killed writer on its own
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def metrics(self) -> list[dict[str, Any]]:
        """All logged lines; torn ones are skipped. [] if nothing is logged yet.

        Raises:
          RunError: metrics.jsonl is there and cannot be read.
        """
        path = self.path / "metrics.jsonl"
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
        lines = []
        for line in raw.split(b"\n"):
            with suppress(ValueError, RecursionError):
                values = json.loads(line)
                if isinstance(values, dict):
                    lines.append(values)
        return lines

    def truncate_metrics(self, step: int) -> None:
        """Forgets what was logged, probed and evaluated after `step`, to go on from there."""
        if (self.path / "metrics.jsonl").exists():
            kept = [line for line in self.metrics() if line.get("step", 0) <= step]
            with replacing(self.path / "metrics.jsonl") as temporary:
                text = "".join(to_json(line) + "\n" for line in kept)
                temporary.write_text(text, encoding="utf-8")
        for later in (n for n in self.probe_steps() if n > step):
            self._probe_path(later).unlink()
        for leftover in (self.path / "probes").glob(".*"):  # of a writer that was killed
            leftover.unlink()
        if (self.path / "evaluations.json").exists():
            with self._locked():
                results = self.evaluations()
                kept_results = {
                    task: {n: value for n, value in by_step.items() if int(n) <= step}
                    for task, by_step in results.items()
                }
                if kept_results != results:
                    write_json(self.path / "evaluations.json", kept_results)

    # ---- evaluations

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Results by task, then by step (a string, as JSON has it); {} if there are none.

        Raises:
          RunError: evaluations.json is damaged.
        """
        path = self.path / "evaluations.json"
        return read_json(path) if path.exists() else {}

    def store_evaluation(self, task: str, step: int, result: Mapping[str, Any]) -> None:
        """Adds or replaces one result. Two processes may do so at the same time."""
        with self._locked():
            results = self.evaluations()
            results.setdefault(task, {})[str(step)] = result
            write_json(self.path / "evaluations.json", results)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the run's folder against other writers of the same file, where it can be locked."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def held_for_training(self) -> Iterator[None]:
        """Keeps a second trainer off this run; the lock goes with the process, however it ends.

        Raises:
          RunError: another process is training it.
        """
        descriptor = os.open(self.path / ".training", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"{self.path} is being trained by another process; wait for it, stop it, or "
                    "choose another name"
                ) from None
            except OSError:
                pass  # some network file systems have no locks
            yield
        finally:
            os.close(descriptor)

    # ---- probes

    def probe_steps(self) -> list[int]:
        """Steps that have a probe trace, in rising order."""
        stems = (path.stem for path in (self.path / "probes").glob("*.npz"))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def probe(self, step: int) -> RoutingTrace:
        """The probe trace of `step`.

        Raises:
          RunError: there is none, or it is damaged.
        """
        from limoe_core.trace import RoutingTrace

        path = self._probe_path(step)
        if not path.exists():
            have = ", ".join(map(str, self.probe_steps())) or "none"
            raise RunError(f"{self.path} has no probe at step {step}; it has {have}")
        with _as_damage(path):
            return RoutingTrace.load(path)

    def save_probe(self, step: int, trace: RoutingTrace) -> None:
        """Writes or replaces the probe trace of `step`."""
        path = self._probe_path(step)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            trace.save(temporary)

    def probe_pictures(self) -> UInt8[np.ndarray, "n size size 3"] | None:
        """The probe pairs' pictures as the model sees them, or None if the run has none."""
        path = self.path / "probes" / "pictures.npz"
        if not path.exists():
            return None
        with _as_damage(path), np.load(path, allow_pickle=False) as stored:
            return stored["pictures"]

    def save_probe_pictures(self, pictures: UInt8[np.ndarray, "n size size 3"]) -> None:
        """Writes the probe pairs' pictures, in the order of the traces' pairs."""
        path = self.path / "probes" / "pictures.npz"
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, pictures=pictures)

    def _probe_path(self, step: int) -> Path:
        return self.path / "probes" / f"{step}.npz"

    # ---- tokenizer

    def tokenizer(self) -> Tokenizer:
        """What turns text into ids for this model.

        Raises:
          RunError: it is missing or damaged.
        """
        from limoe_core.tokenizer import Tokenizer

        path = self.path / "tokenizer.model"
        if not path.exists():
            raise RunError(f"{self.path} has no tokenizer.model: part of the run is missing")
        with _as_damage(path):
            return Tokenizer.load(path)

    def save_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Writes the tokenizer beside the model."""
        with replacing(self.path / "tokenizer.model") as temporary:
            tokenizer.save(temporary)


@dataclass(frozen=True)
class RunListing:
    """A folder among the runs, and why it cannot be opened, if so."""

    path: Path
    name: str
    error: str | None


def list_runs(folder: str | os.PathLike[str]) -> list[RunListing]:
    """The runs in `folder` by name, the unusable ones with the reason; hidden folders left out.

    Raises:
      RunError: `folder` is missing, not a folder, or may not be read.
    """
    place = Path(os.path.abspath(folder))
    try:
        found = sorted(path for path in place.iterdir() if path.is_dir())
    except FileNotFoundError:
        raise RunError(f"the folder of runs {place} does not exist") from None
    except OSError as error:
        raise RunError(f"the folder of runs {place} cannot be read: {error.strerror}") from error
    listings = []
    for path in found:
        if path.name.startswith("."):
            continue
        try:
            Run.open(path)
            reason = None
        except RunError as error:
            reason = str(error)
        listings.append(RunListing(path, path.name, reason))
    return listings


def find_run(folder: str | os.PathLike[str], name: str) -> Run:
    """Opens the run called `name` in `folder`; `name` may come from an untrusted address bar.

    Raises:
      RunError: `name` is not a plain folder name, or is not a run.
    """
    _check_name(name)
    return Run.open(Path(folder) / name)


def export_params(
    run: Run, step: int, target: str | os.PathLike[str], dtype: Any = "bfloat16"
) -> Run:
    """Copies one step's parameters, cast to `dtype`, to the run at `target`, small enough to ship.

    The target run is made with the same config.json and tokenizer if it is not there. bfloat16
    halves the size, and the compressor then takes about a fifth more.

    Raises:
      RunError: the step cannot be read, or `target` holds another run.
    """
    import jax.numpy as jnp

    from limoe_core.runs.checkpoints import read_params

    params = _cast(read_params(run.path / "steps", step), jnp.dtype(dtype))
    place = Path(os.path.abspath(target))
    if not place.exists():
        shipped = Run.create(place, run.config)
        write_json(place / "config.json", {**run.info, "config": run.config.to_dict()})
    shipped = Run.create(place, run.config, exist=True)
    if (run.path / "tokenizer.model").exists():
        with replacing(place / "tokenizer.model") as temporary:
            shutil.copyfile(run.path / "tokenizer.model", temporary)
    with shipped.checkpoints(keep=0) as store:
        store.save(step, params)
    return shipped


def _cast(tree: Any, dtype: np.dtype) -> Any:
    """Floating-point leaves of nested dicts as `dtype`; the others as they are."""
    import jax.numpy as jnp

    if isinstance(tree, Mapping):
        return {key: _cast(value, dtype) for key, value in tree.items()}
    return tree.astype(dtype) if jnp.issubdtype(tree.dtype, jnp.floating) else tree


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise RunError(f"{name!r} is no name for a run: use a plain folder name such as 'my-run'")


@contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    """Turns what readers raise for a broken file into a sentence."""
    try:
        yield
    except RunError:
        raise
    except DAMAGE as error:
        raise RunError(f"{path} is damaged or incomplete: {error}") from error


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
