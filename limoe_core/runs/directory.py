"""The run directory: the one thing that training, analysis and the dashboard share.

Training writes it and everything else reads it, whether it is finished, still growing, or copied
from another machine. Files are replaced whole, a metrics line is one write, and steps are renamed
into place, so a reader may come at any moment. Nothing in it is ever executed: no pickle. Its files
are listed in `limoe_core.runs.files`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from limoe_core import confined, places
from limoe_core.config import Config
from limoe_core.confined import ANYWHERE
from limoe_core.files import replacing, write_json
from limoe_core.locks import AlreadyLockedError, is_held, locked
from limoe_core.runs import (
    description,
    effects,
    evaluations,
    examples,
    experts,
    metrics,
    predictions,
    probes,
    progress,
)
from limoe_core.runs.files import (
    CAUSAL,
    CONFIG,
    EVALUATING,
    EXPERTS,
    MOST_CONFIG,
    MOST_TOKENIZER,
    OPTIMIZER,
    PREDICTIONS,
    PROBES,
    STEPS,
    TOKENIZER,
    TRAINING,
    RunError,
    as_damage,
    cut_measurements,
    is_there,
    opened,
    read_json,
    whole_steps,
)
from limoe_core.runs.layout import Part, Stamp, place_of, stamp_of_part
from limoe_core.runs.making import made
from limoe_core.runs.origin import Origin
from limoe_core.runs.other_models import OtherModel

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from limoe_core.runs.checkpoints import StepStore, Tree
    from limoe_core.runs.effects import Effects
    from limoe_core.runs.experts import ExpertRecord
    from limoe_core.runs.predictions import Predictions
    from limoe_core.runs.progress import Progress
    from limoe_core.tokenizer import Tokenizer
    from limoe_core.trace import RoutingTrace

__all__ = ["Part", "Run", "RunError", "Stamp"]


@dataclass(frozen=True)
class Run:
    """One run directory. Every method reads the disk afresh, so a growing run shows its growth."""

    path: Path
    settings: Config | None
    """Those of training; None where the run holds traces of `other` alone."""
    info: dict[str, Any]
    """The rest of config.json: format, data, versions, seed, created, parameters, init_from."""
    unfollowed: Mapping[str, str] = field(default_factory=dict)
    """Places that config.json names and the user has not, by their option, such as data.dir."""
    within: Path = field(default=ANYWHERE, repr=False, compare=False)
    """Links in the run are followed as far as they lead to a place in this folder."""
    other: OtherModel | None = None
    """The model that its traces are of, if that is none of ours."""

    @property
    def name(self) -> str:
        """Name of the folder, which is the name of the run."""
        return self.path.name

    @property
    def config(self) -> Config:
        """Its settings. A place on this machine is among them only if the user has named it as
        well: see `limoe_core.places`.

        Raises:
          RunError: the run holds traces of another model alone, which has no such settings.
        """
        if self.settings is None:
            raise RunError(
                f"{self.path} holds traces of another model alone: there are no parameters and no "
                "settings of training to use"
            )
        return self.settings

    @property
    def has_experts(self) -> bool:
        """Whether there are routers to look at."""
        return self.settings is None or bool(self.settings.model.experts)

    @property
    def routers(self) -> dict[int, str]:
        """What each router is called, by the number that it has in traces."""
        if self.other is not None:
            return self.other.routers
        return {block + 1: f"block {block + 1}" for block in self.config.model.moe_layers}

    @property
    def experts_of_routers(self) -> dict[int, int]:
        """How many experts each router chooses from, by its number."""
        if self.other is not None:
            return dict(zip(self.other.numbers, self.other.experts, strict=True))
        return dict.fromkeys(self.routers, self.config.model.experts)

    def __repr__(self) -> str:
        if self.other is not None:
            steps = ", ".join(map(str, self.probe_steps())) or "none yet"
            return f"Run({str(self.path)!r})\n  {self.other.summary}\n  traces at steps: {steps}"
        size = self.info.get("parameters")
        data = self.info.get("data") or {}
        origin = self.origin
        lines = [
            f"Run({str(self.path)!r})",
            self.config.model.summary + (f"; {size:,} parameters" if size else ""),
            *([f"started from {origin}"] if origin else []),
            f"data: {data.get('name', self.config.data.name)}",
            f"checkpoints: {', '.join(map(str, self.steps())) or 'none yet'}"
            f" of {self.config.train.steps} steps",
        ]
        return "\n  ".join(lines)

    @property
    def origin(self) -> Origin | None:
        """The trained run that it was started from; None if it was trained from scratch."""
        return Origin.read(self.info.get("init_from"))

    # ---- opening

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        config: Config,
        *,
        data: Mapping[str, Any] | None = None,
        parameters: int | None = None,
        tokenizer: Tokenizer | None = None,
        origin: Origin | None = None,
        exist: bool = False,
    ) -> Run:
        """Starts a run directory.

        Args:
          data: what it trains on, such as `{"name": "emoji/full:1.0.0"}`; see
            `limoe_core.data.identity`.
          parameters: size of the model.
          tokenizer: is there from the first moment, if given.
          origin: the trained run that its parameters come from.
          exist: open the run instead if one with the same settings is there.

        Raises:
          RunError: the name is unusable, or something else is at `path`.
        """
        place = Path(os.path.abspath(path))
        places.name(*config.data.places.values())
        there = cls.in_the_way(place)
        if there is not None:
            if not exist:
                raise RunError(f"{place} is a run already; resume it, or choose another name")
            if there.config != config:
                raise RunError(f"{place} was started with other settings; choose another name")
            return there
        info = description.describe(config, data=data, parameters=parameters, origin=origin)
        try:  # no reader ever meets a run without its config
            with made(place) as temporary:
                write_json(temporary / CONFIG, info)
                if tokenizer is not None:
                    tokenizer.save(temporary / TOKENIZER)
        except OSError as error:
            raise RunError(f"{place} cannot be created: {error.strerror}") from error
        return cls.open(place)

    @classmethod
    def in_the_way(cls, path: str | os.PathLike[str]) -> Run | None:
        """The run that lies where one is to be created; None if the place is free.

        Raises:
          RunError: the name is unusable, or something other than a run is there.
        """
        place = Path(os.path.abspath(path))
        description.check_name(place.name)
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return None
        if not (place / CONFIG).is_file():
            raise RunError(f"{place} exists and is not a run; choose another name")
        return cls.open(place)

    def with_settings(
        self,
        config: Config,
        *,
        data: Mapping[str, Any],
        parameters: int | None = None,
        origin: Origin | None = None,
    ) -> Run:
        """Writes other settings to config.json, for training that goes on with them."""
        info = description.describe_anew(
            self.info, config, data=data, parameters=parameters, origin=origin
        )
        write_json(self.path_of("config"), info)
        return Run.open(self.path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, within: Path = ANYWHERE) -> Run:
        """Opens a run directory for reading, or to go on with it.

        Args:
          within: folder that every file of the run must lie in, links followed, for runs of people
            whom the reader does not trust. By default links may lead anywhere.

        Raises:
          RunError: it is missing, foreign, damaged, out of `within`, or written by a newer version.
        """
        place = Path(os.path.abspath(path))
        said = description.read(place, within)
        return cls(place, said.settings, said.info, said.unfollowed, within, said.other)

    # ---- where things are

    @staticmethod
    def config_of(path: Path) -> Path:
        """The file that makes a folder a run."""
        return path / CONFIG

    def path_of(self, part: Part, step: int | None = None, task: str = "") -> Path:
        """File or folder of a part, whether it is there or not.

        Args:
          step: for `parameters`, `probe`, `experts` and `predictions`, which are kept by step.
          task: for `predictions`, which are kept by task as well.
        """
        return place_of(self.path, part, step, task)

    def has(self, part: Part, step: int | None = None, task: str = "") -> bool:
        """Whether a part is there; see `path_of`."""
        return is_there(self.path_of(part, step, task))

    def stamp(self, part: Part, step: int | None = None, task: str = "") -> Stamp:
        """A value that changes when a part does, for caches; (0, 0) while it is not there."""
        return stamp_of_part(self.path, part, step, task)

    # ---- parameters

    def steps(self) -> list[int]:
        """Steps whose parameters are on disk, whole, in rising order.

        Raises:
          RunError: the folder of steps may not be read.
        """
        return whole_steps(self.path / STEPS, self.within)

    def checkpoints(self, *, keep: int = 3, keep_period: int = 0) -> StepStore:
        """The store to write steps with; close it when done. See `StepStore`."""
        from limoe_core.runs.checkpoints import (
            StepStore,  # here, since Orbax takes seconds to import
        )

        return StepStore(self.path / STEPS, keep=keep, keep_period=keep_period)

    def restore_params(self, step: int | None = None, target: Tree | None = None) -> Tree:
        """Parameters of a step, by default the newest: see `checkpoints.read_params`."""
        from limoe_core.runs.checkpoints import read_params

        return read_params(self.path / STEPS, self.resolve_step(step), target, self.within)

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

    @property
    def is_shipped(self) -> bool:
        """Whether its steps have parameters alone, so that it can be used and not resumed."""
        steps = self.steps()
        return bool(steps) and not any(self._resumable(step) for step in steps)

    def check_resumable(self) -> None:
        """Checks that training can go on from the newest step; a run without steps may begin.

        Raises:
          RunError: that step was shipped without the optimizer's state.
        """
        steps = self.steps()
        if steps and not self._resumable(steps[-1]):
            raise RunError(
                f"{self.path} has step {steps[-1]} without its optimizer's state: it can be used, "
                "not resumed"
            )

    def _resumable(self, step: int) -> bool:
        return (self.path_of("parameters", step) / OPTIMIZER).is_dir()

    # ---- metrics

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Adds one line; a NaN is written as null. One writer at a time."""
        metrics.append(self.path_of("metrics"), values)

    def metrics(self) -> list[dict[str, Any]]:
        """The logged lines, torn ones left out: see `metrics.read`. [] if nothing is logged yet.

        Raises:
          RunError: metrics.jsonl is there and cannot be read.
        """
        return metrics.read(self.path_of("metrics"), self.within)

    def newest_metrics(self) -> dict[str, Any] | None:
        """The newest line of a training step, read from the log's end; None if there is none.

        Raises:
          RunError: metrics.jsonl is there and cannot be read.
        """
        return metrics.newest(self.path_of("metrics"), self.within)

    def truncate_metrics(self, step: int) -> None:
        """Forgets all that belongs to later steps than `step`, to go on from there.

        That is what was logged, probed, evaluated, answered and measured after it. The log goes
        last, as it tells how far the run had come: a call that was cut short is made good by the
        next.
        """
        logged = [line.get("step", 0) for line in self.metrics()]
        goes_back = max([*logged, *self.probe_steps()], default=0) > step
        cut_measurements(self.path_of("causal"), step, unknown=goes_back)
        if self.has("evaluations") or (self.path / PREDICTIONS).is_dir():
            with locked(self.path / EVALUATING):
                predictions.cut_predictions(self.path, step)
                evaluations.keep_until(self.path_of("evaluations"), step)
        for later in (n for n in self.probe_steps() if n > step):
            self.path_of("probe", later).unlink()
        for later in (n for n in self.expert_steps() if n > step):
            self.path_of("experts", later).unlink()
        for folder in (PROBES, PREDICTIONS, EXPERTS, CAUSAL):
            for leftover in (self.path / folder).glob(".*"):  # of a writer that was killed
                leftover.unlink()
        if self.has("metrics"):
            metrics.keep_until(self.path_of("metrics"), step)

    # ---- evaluations

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Results by task, then by step (a string, as JSON has it); {} if there are none.

        Results that lack what their readers need are left out; `damaged_evaluations` names them.

        Raises:
          RunError: evaluations.json is damaged.
        """
        return evaluations.read(self.path_of("evaluations"), self.within).results

    def damaged_evaluations(self) -> tuple[str, ...]:
        """A sentence for each result that `evaluations` leaves out.

        Raises:
          RunError: evaluations.json is damaged.
        """
        return evaluations.read(self.path_of("evaluations"), self.within).damaged

    def stored_evaluation(self, task: str, step: int) -> Any:
        """What is stored of a task at a step, whether or not it can be used; None if nothing is.

        Raises:
          RunError: the results cannot be read as a whole, or lie outside of the run.
        """
        by_step = self._stored_evaluations().get(task)
        return by_step.get(str(step)) if isinstance(by_step, Mapping) else None

    def _stored_evaluations(self) -> dict[str, Any]:
        # Not through a link that leads out, as the run would then hold what that file holds.
        path = self.path_of("evaluations")
        return read_json(path, within=self.path) if is_there(path) else {}

    def store_evaluation(self, task: str, step: int, result: Mapping[str, Any]) -> None:
        """Adds or replaces one result. Two processes may do so at the same time.

        Raises:
          RunError: the earlier results cannot be read, or lie outside of the run.
        """
        with locked(self.path / EVALUATING):
            # With those that nobody can use: what is stored is not lost for being odd.
            results = self._stored_evaluations()
            by_step = results.get(task)
            results[task] = {**(by_step if isinstance(by_step, dict) else {}), str(step): result}
            write_json(self.path_of("evaluations"), results)

    def predictions(self, task: str, step: int) -> Predictions:
        """The single answers of an evaluation.

        Raises:
          RunError: there are none, or they are damaged.
        """
        return predictions.read(self.path_of("predictions", step, task), task, step, self.within)

    @contextmanager
    def held_for_training(self) -> Iterator[None]:
        """Keep a second trainer off this run; the lock ends with the process, even if killed.

        Raises:
          RunError: another process is training it.
        """
        try:
            with locked(self.path / TRAINING, wait=False):
                yield
        except AlreadyLockedError:
            raise RunError(
                f"{self.path} is being trained by another process; wait for it, stop it, or "
                "choose another name"
            ) from None

    def in_training(self) -> bool | None:
        """Whether a process trains this run now; None where this machine cannot know.

        It asks for the lock that the trainer holds, which goes with the process, however it ends.
        The lock of another machine is seen through some network file systems and not through
        others, and a copy of a run has none.
        """
        path = self.path / TRAINING
        if not is_there(path):
            return None
        try:
            with opened(path, most=MOST_CONFIG, within=self.within) as file:
                held = is_held(file.fileno())
        except (RunError, OSError):
            return None
        said = self.progress()
        elsewhere = said is not None and said.host != progress.this_host()
        return None if not held and elsewhere else held

    def progress(self) -> Progress | None:
        """What training said last of what it does; None if it said nothing that can be used."""
        return progress.read(self.path_of("progress"), self.within)

    def save_progress(self, now: Progress) -> None:
        """Says what training does from now on."""
        progress.write(self.path_of("progress"), now)

    # ---- probes

    def probe_steps(self) -> list[int]:
        """Steps that have a probe trace, in rising order.

        Raises:
          RunError: the folder of traces may not be read.
        """
        return probes.steps(self.path / PROBES, self.within)

    def probe(self, step: int) -> RoutingTrace:
        """The probe trace of `step`.

        Raises:
          RunError: there is none, it is damaged, or it is not of this run's model.
        """
        path = self.path_of("probe", step)
        if not self.has("probe", step):
            have = ", ".join(map(str, self.probe_steps())) or "none"
            raise RunError(f"{self.path} has no probe at step {step}; it has {have}")
        if self.other is not None:
            return probes.read_recorded(path, self.other, self.within)
        return probes.read(path, self.config.model, self.within)

    def recorded_pairs(self, step: int) -> int:
        """Pairs recorded at a step, of which `probe` gives those that memory has room for.

        Raises:
          RunError: the folder of traces may not be read.
        """
        parts = probes.parts(self.path_of("probe", step), self.within)
        return parts[-1].end if parts else 0

    def save_probe(self, step: int, trace: RoutingTrace) -> None:
        """Writes or replaces the probe trace of `step`."""
        path = self.path_of("probe", step)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            trace.save(temporary)

    def probe_pictures(self) -> UInt8[np.ndarray, "n size size 3"] | None:
        """The probe pairs' pictures as the model sees them, or None if the run has none.

        Traces of other models hold their pictures themselves, as these differ in size.

        Raises:
          RunError: they are damaged, or not of this run's model.
        """
        if self.other is not None or not self.has("probe pictures"):
            return None
        return probes.read_pictures(self.path / PROBES, self.config.model, self.within)

    def save_probe_pictures(self, pictures: UInt8[np.ndarray, "n size size 3"]) -> None:
        """Writes the probe pairs' pictures, in the order of the traces' pairs."""
        path = self.path_of("probe pictures")
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, pictures=pictures)

    def examples(
        self,
    ) -> tuple[UInt8[np.ndarray, "n side side c"], dict[str, list[str]]] | None:
        """Pictures to try the model on, and what is known of each; None if the run has none.

        Raises:
          RunError: they are damaged.
        """
        if not self.has("examples"):
            return None
        return examples.read(self.path_of("examples"), self.within)

    def save_examples(
        self, pictures: UInt8[np.ndarray, "n side side c"], known: Mapping[str, Sequence[str]]
    ) -> None:
        """Writes pictures to try the model on.

        Args:
          known: key, name, category, style and split of each.
        """
        examples.write(self.path_of("examples"), pictures, known)

    # ---- experts on many pairs

    def expert_steps(self) -> list[int]:
        """Steps whose experts `evaluate --experts` measured, in rising order.

        Raises:
          RunError: the folder may not be read.
        """
        return experts.steps(self.path / EXPERTS, self.within)

    def measured_effects(self) -> list[str]:
        """What was done to experts of another model whose effects the run keeps; see `Effects`.

        Raises:
          RunError: the folder of measurements may not be read.
        """
        return effects.variants(self.path_of("causal"), self.within)

    def effects(self, variant: str) -> Effects:
        """The effects of one kind of change.

        Raises:
          RunError: they were not measured, the file is damaged, or not of this run's routers.
        """
        folder = self.path_of("causal")
        return effects.Effects.load(folder, variant, self.within, self.experts_of_routers)

    def experts(self, step: int) -> ExpertRecord:
        """What the experts of a step do, on a thousand pairs.

        Raises:
          RunError: it was not measured, the record is damaged, or not of this run's model.
        """
        if not self.has("experts", step):
            have = ", ".join(map(str, self.expert_steps())) or "none"
            raise RunError(
                f"the experts of {self.path} at step {step} are not measured (measured: {have}); "
                "python -m limoe_core.evaluate --experts does so"
            )
        return experts.read(self.path_of("experts", step), step, self.config.model, self.within)

    def save_experts(self, record: ExpertRecord) -> None:
        """Writes or replaces the record of its step.

        Raises:
          RunError: the folder of records is a link that leads out of the run.
        """
        path = self.path_of("experts", record.step)
        with as_damage(path):
            confined.real(path.parent, self.path)
        experts.write(path, record)

    # ---- tokenizer

    def tokenizer(self) -> Tokenizer:
        """The tokenizer: text to ids for this model.

        Raises:
          RunError: it is missing or damaged.
        """
        from limoe_core.tokenizer import Tokenizer

        path = self.path_of("tokenizer")
        if not self.has("tokenizer"):
            raise RunError(f"{self.path} has no tokenizer.model: part of the run is missing")
        with opened(path, MOST_TOKENIZER, self.within) as file:
            tokenizer = Tokenizer(file.read())
            size = self.config.model.vocab_size
            if tokenizer.vocab_size != size:
                raise RunError(
                    f"{path} has {tokenizer.vocab_size:,} pieces, and the model of config.json "
                    f"{size:,}: it belongs to another run"
                )
        return tokenizer

    def save_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Writes the tokenizer beside the model."""
        with replacing(self.path_of("tokenizer")) as temporary:
            tokenizer.save(temporary)
