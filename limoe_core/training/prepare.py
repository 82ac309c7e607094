"""A run before it is trained: everything that can be checked, before anything is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jax
from jax.sharding import Mesh

from limoe_core import places
from limoe_core.config import Config, ConfigError
from limoe_core.data.batches import training_batches
from limoe_core.data.captions import CaptionCounts
from limoe_core.data.identity import data_of, difference, recorded
from limoe_core.data.pairs import ArrayPictures, stored_side
from limoe_core.data.reading import Batches, workers_for
from limoe_core.data.registry import data_set
from limoe_core.data.source import PairSet, check_place, load_pairs, resolved
from limoe_core.devices import processes
from limoe_core.devices.hardware import computes_on, unused_gpu
from limoe_core.devices.mesh import MeshShape, make_mesh
from limoe_core.model.attention import why_no_cudnn
from limoe_core.model.functional import FunctionalModel
from limoe_core.runs import Run, RunError
from limoe_core.tokenizer import Tokenizer
from limoe_core.training import tensorboard
from limoe_core.training.errors import explained_write_errors
from limoe_core.training.fitting import Fitted
from limoe_core.training.initial import Initial
from limoe_core.training.placement import Placer
from limoe_core.training.resume import changed, consequences, settings_to_go_on
from limoe_core.training.room import check_room
from limoe_core.training.source import Source
from limoe_core.training.summary import summary


@dataclass(frozen=True)
class Start:
    """A run that can be trained, of which nothing is written yet."""

    path: Path
    config: Config
    old: Run | None
    """The run as it lies on disk; None for a new one."""
    begun: bool
    """Whether the old one has anything worth keeping; else it starts anew."""
    splits: Mapping[str, PairSet]
    """`train` and `validation`."""
    functional: FunctionalModel
    devices: Mesh
    placer: Placer
    fitted: Fitted | None = None
    """What was lowered to fit the data."""
    initial: Initial | None = None
    """The trained parameters that a new run starts from; None for random ones."""

    @classmethod
    def checked(
        cls,
        path: Path,
        config: Config,
        *,
        resume: bool,
        mesh: str,
        lower: Collection[str] = (),
        init_from: str | os.PathLike[str] | None = None,
        new_vocabulary: bool = False,
    ) -> Start:
        """Checks settings, place, devices, trained parameters, disk and data, in this order.

        Where settings may be lowered to fit the user's own pairs, the data comes before the disk.

        Args:
          lower: see `limoe_core.training.loop.train`, and so for what follows.

        Raises:
          ConfigError: for settings that cannot work with each other or the data, or that a run
            cannot go on with.
          RunError: if the run directory cannot be used, or the run that this one starts from.
        """
        places.name(*config.data.places.values())  # on every machine of the run
        old = Run.open(path) if resume else Run.in_the_way(path)
        begun = old is not None and has_begun(old)
        if old is not None and resume:
            config = settings_to_go_on(old, config, init_from)
        elif old is not None and begun:
            raise RunError(f"{old.path} is a run already; resume it, or choose another name")
        source = None
        if new_vocabulary and (resume or init_from is None):
            raise ConfigError(
                "--new-vocabulary is for a run that starts from another: leave it out, or give "
                "--init-from without --resume"
            )
        if init_from is not None and not begun:
            source = Source.named(init_from)
            source.check_fits(config, new_vocabulary=new_vocabulary)
            if not new_vocabulary:
                lower = [setting for setting in lower if setting != "model.vocab_size"]
        if source is not None and config.data.name == source.run.config.data.name:
            check_place(source.run, config.data)
        if old is not None:
            check_place(old, config.data)
        config = replace(config, data=resolved(config.data))
        if old is not None and begun:
            old.check_resumable()
        if config.train.tensorboard:
            tensorboard.check()
        if config.model.attention == "cudnn" and (reason := why_no_cudnn(config.model)):
            raise ConfigError(f"--model.attention cudnn {reason}; leave it at auto")
        devices = make_mesh(MeshShape.parse(mesh, jax.device_count()))
        initial = None
        if source is not None:
            initial = Initial.read(source, devices, new_vocabulary=new_vocabulary)
        splits, fitted = None, None
        if lower and config.data.path is not None and not begun:
            splits = _splits(config)
            fitted = Fitted.to(splits["train"], config, lower, devices.size)
            config = fitted.config
        placer = Placer(config, devices)
        functional = FunctionalModel.of(config)
        saved = len(old.steps()) if old is not None else 0
        check_room(path, config, functional, saved, with_start=source is not None)
        splits = splits or _splits(config)
        start = cls(path, config, old, begun, splits, functional, devices, placer, fitted, initial)
        if old is not None and (resume or begun):
            start.check_data(old)
        return start

    def check_data(self, run: Run) -> None:
        """Checks that the data is what the run was trained on.

        Raises:
          RunError: it is not; the message names both.
        """
        for split, pairs in self.splits.items():
            if found := difference(run, self.config.data, split, pairs):
                raise RunError(
                    f"{found}; a run goes on with the data that it was started with: name its "
                    "folder with --data.dir, or start another run"
                )

    def written(self) -> tuple[Run, Tokenizer, Batches]:
        """The run directory with these settings, its tokenizer, and the batches.

        The first process writes the run, the others open it.

        Raises:
          ConfigError: no tokenizer can be trained, a batch does not fit the data, or there is
            nothing to tell apart in it.
          RunError: the run cannot be created, or another process is training it.
          TrainingError: it cannot be written.
        """
        if processes.is_first():
            tokenizer = self._tokenizer()
            batches = self._batches(tokenizer)
            self._tell(tokenizer, self._caption_counts(tokenizer))
            run = self._write(tokenizer)
        processes.wait_for_all("run directory")
        if not processes.is_first():
            run = Run.open(self.path)
            self.check_data(run)
            if self.initial is not None:
                self.initial.source.check_step(run)
            tokenizer = run.tokenizer()
            batches = self._batches(tokenizer)
        return run, tokenizer, batches

    def _batches(self, tokenizer: Tokenizer) -> Batches:
        train, data = self.splits["train"], self.config.data
        workers = workers_for(
            data.workers,
            in_memory=isinstance(train.pictures, ArrayPictures),
            accelerated=jax.default_backend() != "cpu",
        )
        return training_batches(train, tokenizer, self.config, self.placer.rows, workers)

    def _tokenizer(self) -> Tokenizer:
        if self.old is not None and self.begun and self.old.has("tokenizer"):
            return self.old.tokenizer()
        if self.initial is not None and not self.initial.new_vocabulary:
            return self.initial.tokenizer
        if self.fitted is not None and self.fitted.tokenizer is not None:
            return self.fitted.tokenizer
        return Tokenizer.train(self.splits["train"].captions(), self.config.model.vocab_size)

    def _write(self, tokenizer: Tokenizer) -> Run:
        data = recorded(self.config.data, self.splits)
        origin = None
        if self.initial is not None:
            origin = self.initial.origin(self.config, tokenizer)
        if self.old is None:
            return Run.create(
                self.path,
                self.config,
                data=data,
                parameters=self.functional.parameters,
                tokenizer=tokenizer,
                origin=origin,
            )
        with explained_write_errors(self.old), self.old.held_for_training():
            if not (self.begun and self.old.has("tokenizer")):
                self.old.save_tokenizer(tokenizer)
            if self.begun and self.old.config == self.config and self.old.info.get("data") == data:
                return self.old
            return self.old.with_settings(
                self.config,
                data=data,
                parameters=self.functional.parameters,
                origin=self.old.origin if self.begun else origin,
            )

    def _caption_counts(self, tokenizer: Tokenizer) -> CaptionCounts:
        counts = CaptionCounts.of(self.splits["train"], tokenizer, self.config.model.text_length)
        if counts.different == 1:
            raise ConfigError(
                f"all {counts.captions:,} captions of the training data are the same text, so "
                "there is nothing to tell apart; give the pictures captions of their own"
            )
        return counts

    def _tell(self, tokenizer: Tokenizer, counts: CaptionCounts) -> None:
        """Says on stderr what the run runs and trains on, and what changes in one that goes on."""
        train = self.splits["train"]
        told = [f"{self.path.name} runs on {computes_on()}"]
        if unused := unused_gpu():
            told.append(unused)
        told += summary(self.path.name, self.config, self.splits, counts)
        told += data_set(self.config.data).notes(self.config.data)
        told += self.fitted.told if self.fitted is not None else []
        if self.initial is not None:
            told += self.initial.told(self.config, tokenizer, train.captions())
        if self.old is not None and self.begun:
            told += [f"{self.old.name} {line}" for line in consequences(self.old, self.config)]
        for line in told:
            print(line, file=sys.stderr)


def _splits(config: Config) -> dict[str, PairSet]:
    side = stored_side(config.model.image_size)
    return {split: load_pairs(config.data, split, side=side) for split in ("train", "validation")}


def has_begun(run: Run) -> bool:
    """Whether a run has more than a start that was cut short before its first checkpoint."""
    if run.steps() or run.evaluations():
        return True
    logged = [line.get("step", 0) for line in run.metrics()]
    return max([*logged, *run.probe_steps()], default=0) > run.config.train.checkpoint_every


def has_ended(run: Run, config: Config, init_from: str | os.PathLike[str] | None = None) -> bool:
    """Whether a run that is asked to go on with these settings has nothing left to do."""
    asked = settings_to_go_on(run, config, init_from)
    own = replace(run.config, data=data_of(run))
    return not changed(own, asked) and max(run.steps(), default=0) >= own.train.steps
