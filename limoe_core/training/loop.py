"""The training loop: step after step, with what is due after each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from limoe_core.config import Config
from limoe_core.devices import processes
from limoe_core.devices.compiled import keep_compiled
from limoe_core.devices.host import keep_freed_memory
from limoe_core.model.functional import FunctionalModel
from limoe_core.runs import Run
from limoe_core.runs.checkpoints import StepStore
from limoe_core.training.announcer import Announcer
from limoe_core.training.compile_times import CompileTimes
from limoe_core.training.errors import explained_loss_of_workers, explained_write_errors
from limoe_core.training.observer import Observer
from limoe_core.training.placement import Placer
from limoe_core.training.prepare import Start, has_ended
from limoe_core.training.progress import TrainProgress
from limoe_core.training.start import start_or_restore
from limoe_core.training.step import TrainState
from limoe_core.training.step_functions import StepFunctions
from limoe_core.training.termination import Termination


def train(
    path: Path,
    config: Config,
    *,
    resume: bool = False,
    mesh: str = "",
    lower: Collection[str] = (),
    init_from: str | os.PathLike[str] | None = None,
    new_vocabulary: bool = False,
    termination: Termination | None = None,
) -> Run:
    """Train to the end, from the start or from the newest checkpoint of a run.

    A resumed run ends with bitwise the same parameters as one that was never stopped. Where there
    are several processes, each must make the same call. Nothing is written before all that can be
    checked was checked.

    Args:
      config: the settings; with `resume` those of the run, some of which may have changed: see
        `limoe_core.training.resume.MAY_CHANGE`.
      mesh: see `limoe_core.devices.mesh.MeshShape.parse`.
      lower: settings that are lowered where your own pairs are too few; some of
        `limoe_core.training.fitting.LOWERED`.
      init_from: a trained run whose newest parameters a new run starts from, or `run@step` for
        those of another step: see `limoe_core.training.initial`. Its settings are those of
        `limoe_core.training.source.Source.named(init_from).settings()`.
      new_vocabulary: train a vocabulary on the captions, where the trained run's is kept else.
      termination: once it is asked for, the step at hand is saved and is the last.

    Raises:
      ConfigError: for settings that cannot work with the data, or that a run cannot go on with.
      RunError: if the run directory cannot be used, or was started with other data.
      TrainingError: if training cannot go on; the message says what is safe.
    """
    keep_freed_memory()
    keep_compiled()
    if resume and has_ended(run := Run.open(path), config, init_from):
        print(
            f"{run.name} was trained to its last step, {run.config.train.steps:,}, so nothing is "
            "left to do; a larger --train.steps goes on",
            file=sys.stderr,
        )
        return run
    start = Start.checked(
        path,
        config,
        resume=resume,
        mesh=mesh,
        lower=lower,
        init_from=init_from,
        new_vocabulary=new_vocabulary,
    )
    run, tokenizer, batches = start.written()
    config, functional, devices, placer = run.config, start.functional, start.devices, start.placer
    keep, keep_period = config.train.keep_checkpoints, config.train.keep_period
    # One process holds the run for all of them.
    held = run.held_for_training() if processes.is_first() else nullcontext()
    with explained_write_errors(run), explained_loss_of_workers(run), held, closing(batches):
        announcer = Announcer(run, max(run.steps(), default=0), writes=processes.is_first())
        with (
            announcer.until_the_end(),
            run.checkpoints(keep=keep, keep_period=keep_period) as store,
        ):
            state = start_or_restore(run, store, functional, batches, devices, start.initial)
            observer = Observer(run, functional, tokenizer, start.splits["validation"], devices)
            del start  # and with it the trained parameters that the first ones were made of
            stopping = termination or Termination()
            loop(
                state,
                batches,
                placer,
                store,
                observer,
                functional,
                config,
                devices,
                stopping,
                announcer,
            )
    return run


def loop(
    state: TrainState,
    batches: Any,
    placer: Placer,
    store: StepStore,
    observer: Observer,
    functional: FunctionalModel,
    config: Config,
    mesh: Mesh,
    termination: Termination,
    announcer: Announcer,
) -> None:
    """Step after step to the end, with what is due after each of them."""
    steps = config.train.steps
    start = int(state.step)
    step_of = StepFunctions(functional, config)
    times = CompileTimes(config, mesh)
    with TrainProgress(observer.run.name, start, steps, announcer) as progress:
        if start == 0:
            observer.look(state, 0, progress)
        termination.saving = store.is_saving
        termination.begin_steps()
        for step, batch in zip(range(start + 1, steps + 1), batches, strict=False):
            patches, new = step_of.patches(step), step_of.is_new(step)
            waits = new or step_of.is_awaited(step)
            if waits:
                progress.compiling(step, times.last(patches))
            placed = placer(batch)
            with jax.set_mesh(mesh), termination.compiling(waits), times.timed(patches, new):
                state, metrics = step_of(step)(state, placed)
            step_of.compile_ahead(state, placed, mesh)
            store.check()
            leaving = step < steps and termination.agreed(step % config.train.log_every == 0)
            due = step % config.train.checkpoint_every == 0 or step == steps or leaving
            if step % config.train.log_every == 0 or step in (1, steps):
                observer.log(step, metrics, progress)
            elif due:
                observer.check(step, float(metrics["loss"]))
            with termination.compiling(not observer.has_looked):
                observer.look(state, step, progress)
            if due:
                store.save(step, state.params, state.opt_state, batches.get_state())
            if leaving:
                return
    termination.too_late = True
