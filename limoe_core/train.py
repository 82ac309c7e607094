"""Train a LIMoE: `python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run`."""

from __future__ import annotations

import gc
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from jax.sharding import Mesh, NamedSharding

from limoe_core import command
from limoe_core.config import Config, ConfigError
from limoe_core.data.batches import training_batches
from limoe_core.data.pairs import stored_side
from limoe_core.data.source import PairSet, load_pairs
from limoe_core.devices import processes
from limoe_core.devices.host import keep_freed_memory
from limoe_core.devices.mesh import (
    WHOLE,
    MeshShape,
    fetch,
    make_mesh,
    placed_shapes,
    shardings,
)
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel, initial_params
from limoe_core.runs import Run, RunError
from limoe_core.runs.checkpoints import StepStore
from limoe_core.tokenizer import Tokenizer
from limoe_core.training.alarms import Watch
from limoe_core.training.optimizer import learning_rate, make_optimizer
from limoe_core.training.placement import Placer
from limoe_core.training.probes import Probe, probe_steps
from limoe_core.training.progress import TrainProgress
from limoe_core.training.router_metrics import plain
from limoe_core.training.step import TrainState, TrainStep, make_train_step
from limoe_core.training.termination import Termination
from limoe_core.training.validation import validate


@dataclass(frozen=True)
class Command:
    """Train a model and write everything about it to a run directory."""

    run: Path
    """The run directory to write; its name is the run's name."""
    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: command.PresetName = "emoji-tiny"
    resume: bool = False
    """Go on with a run that was stopped, with the settings that it was started with."""
    mesh: str = ""
    """How many devices split the experts and how many more the batch, such as data=4,expert=2. By
    default every device takes a part of the batch and has all experts. May change on --resume."""


HELP = command.Help(
    "limoe_core.train",
    """
    # emoji-tiny, the default: an hour on two cores
    {program} --run checkpoints/my-run
    # go on after a stop, at any moment
    {program} --run checkpoints/my-run --resume
    # seconds, to see that it works
    {program} --run checkpoints/try --preset debug
    # a preset with some settings changed
    {program} --run checkpoints/wide --model.experts 16 --train.steps 9000
    # a model of the paper on eight devices
    {program} --run checkpoints/coco --preset B/16 \\
        --data.name coco_captions --mesh data=4,expert=2
    """,
)


class TrainingError(RuntimeError):
    """Training cannot go on, and why."""


#: Exit codes: a shell says 128 plus the signal's number, and schedulers read it so.
INTERRUPTED, TERMINATED = 130, 143


@contextmanager
def _said_once() -> Iterator[None]:
    """Keeps what Orbax and TensorStore print of an error off the screen, where we say it ourselves.

    Orbax logs the traceback of a step that could not be saved before it raises the same error.
    The first of several arrays to fail also ends its event loop; what TensorStore then has to say
    about the others finds the loop closed, on a thread where nobody can catch it, or is an error
    that nobody fetched, which asyncio logs when it is collected.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    unraisable = sys.unraisablehook

    def nothing(_: logging.LogRecord) -> bool:
        return False

    def hook(told: sys.UnraisableHookArgs) -> None:
        if not (
            isinstance(told.exc_value, RuntimeError) and "loop is closed" in str(told.exc_value)
        ):
            unraisable(told)

    for logger in loggers:  # not by their levels, which whoever uses absl sets as well
        logger.addFilter(nothing)
    sys.unraisablehook = hook
    try:
        yield
    finally:
        gc.collect()  # what would be printed when it is collected is collected now
        for logger in loggers:
            logger.removeFilter(nothing)
        sys.unraisablehook = unraisable


@_said_once()
def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    try:
        options = command.parse_with_preset(Command, arguments, HELP)
        processes.join()
        with Termination() as termination:
            train(
                options.run,
                options.config,
                resume=options.resume,
                mesh=options.mesh,
                termination=termination,
            )
    except (ConfigError, RunError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; go on with --resume", file=sys.stderr)
        return INTERRUPTED
    if termination.asked and not termination.too_late:
        print("stopped and saved, as asked; go on with --resume", file=sys.stderr)
        return TERMINATED
    return 0


def train(
    path: Path,
    config: Config,
    *,
    resume: bool = False,
    mesh: str = "",
    termination: Termination | None = None,
) -> Run:
    """Train to the end, from the start or from the newest checkpoint of a run.

    A resumed run ends with bitwise the same parameters as one that was never stopped. Where there
    are several processes, each must make the same call.

    Args:
      mesh: see `limoe_core.devices.mesh.MeshShape.parse`.
      termination: once it is asked for, the step at hand is saved and is the last.

    Raises:
      ConfigError: for settings that cannot work with the data.
      RunError: if the run directory cannot be used.
      TrainingError: if training cannot go on; the message says what is safe.
    """
    keep_freed_memory()
    if resume:
        config = Run.open(path).config
    devices = make_mesh(MeshShape.parse(mesh, jax.device_count()))
    placer = Placer(config, devices)
    pairs = load_pairs(config.data, "train", side=stored_side(config.model.image_size))
    functional = FunctionalModel.of(config)
    run = start_run(path, config, pairs, functional, resume=resume)
    tokenizer = run.tokenizer()
    batches = training_batches(pairs, tokenizer, config, placer.rows)
    keep, keep_period = config.train.keep_checkpoints, config.train.keep_period
    # One process holds the run for all of them.
    held = run.held_for_training() if processes.is_first() else nullcontext()
    with _saying_what_is_safe(run), held:
        with run.checkpoints(keep=keep, keep_period=keep_period) as store:
            state = start_or_restore(run, store, functional, batches, devices)
            observer = Observer(run, functional, tokenizer, devices)
            stopping = termination or Termination()
            loop(state, batches, placer, store, observer, functional, config, devices, stopping)
    return run


@contextmanager
def _saying_what_is_safe(run: Run) -> Iterator[None]:
    """Turns an error of the file system into a sentence with what is left and what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise TrainingError(
            f"{run.path} cannot be written: {reason}. {last_good(run)} When there is room, or the "
            "folder may be written to, go on with --resume."
        ) from error


def last_good(run: Run) -> str:
    """A sentence about the newest step that is whole on disk."""
    saved = run.steps()
    return f"The last good checkpoint is step {saved[-1]}." if saved else "None was saved yet."


def start_run(
    path: Path, config: Config, pairs: PairSet, functional: FunctionalModel, *, resume: bool
) -> Run:
    """The run directory with its tokenizer, made by the first process, opened by the others."""
    if processes.is_first():
        if resume:
            run = Run.open(path)
        else:
            data = {"name": pairs.name, "train_pictures": len(pairs)}
            run = Run.create(path, config, data=data, parameters=functional.parameters)
        if not run.has("tokenizer"):
            tokenizer = Tokenizer.train(pairs.captions(), config.model.vocab_size)
            with _saying_what_is_safe(run):
                run.save_tokenizer(tokenizer)
    processes.wait_for_all("run directory")
    return Run.open(path)


def start_or_restore(
    run: Run, store: StepStore, functional: FunctionalModel, batches: Any, mesh: Mesh
) -> TrainState:
    """The state after the newest checkpoint, with the input set to go on there; else a new one."""
    config = run.config
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    steps = store.steps()
    if processes.is_first():
        run.truncate_metrics(steps[-1] if steps else -1)
    shapes = functional.shapes
    opt_shapes = jax.eval_shape(optimizer.init, shapes)
    if not steps:
        params = initial_params(config, config.train.seed, shardings(shapes, mesh))
        opt_state = jax.jit(optimizer.init, out_shardings=shardings(opt_shapes, mesh))(params)
        return TrainState(params, opt_state, _everywhere(0, mesh))
    targets = {
        "params": placed_shapes(shapes, mesh),
        "opt_state": placed_shapes(opt_shapes, mesh),
    }
    restored = store.restore_all(steps[-1], targets)
    batches.set_state(restored["input"])
    return TrainState(restored["params"], restored["opt_state"], _everywhere(steps[-1], mesh))


def _everywhere(step: int, mesh: Mesh) -> jax.Array:
    return jax.device_put(np.int32(step), NamedSharding(mesh, WHOLE))


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
) -> None:
    """Step after step to the end, with what is due after each of them."""
    steps = config.train.steps
    start = int(state.step)
    step_of = step_functions(functional, config)
    with TrainProgress(observer.run.name, start, steps) as progress:
        if start == 0:
            observer.look(state, 0, progress)
        for step, batch in zip(range(start + 1, steps + 1), batches, strict=False):
            with jax.set_mesh(mesh):
                state, metrics = step_of(step)(state, placer(batch))
            leaving = step < steps and termination.agreed(step % config.train.log_every == 0)
            due = step % config.train.checkpoint_every == 0 or step == steps or leaving
            if step % config.train.log_every == 0 or step in (1, steps):
                observer.log(step, metrics, progress)
            elif due:
                observer.check(step, float(metrics["loss"]))
            observer.look(state, step, progress)
            if due:
                store.save(step, state.params, state.opt_state, batches.get_state())
            if leaving:
                return
    termination.too_late = True


def step_functions(functional: FunctionalModel, config: Config) -> Any:
    """Gives the step function for each step: with some of the patches, or at the end with all."""
    model, settings = config.model, config.train
    optimizer = make_optimizer(config.optimizer, settings.steps)
    some = max(1, round(settings.patch_keep * model.patches))
    made: dict[int, TrainStep] = {}

    def step_of(step: int) -> TrainStep:
        ending = step > settings.steps - settings.full_patch_steps
        patches = model.patches if ending else some
        if patches not in made:
            made[patches] = make_train_step(functional, optimizer, config, patches=patches)
        return made[patches]

    return step_of


class Observer:
    """Writes down how a run is going: metrics, validation and probe traces.

    Every process of a run has one and makes the same calls; only the first writes.
    """

    def __init__(
        self, run: Run, functional: FunctionalModel, tokenizer: Tokenizer, mesh: Mesh
    ) -> None:
        config = run.config
        settings = config.train
        self.run = run
        self._functional = functional
        self._tokenizer = tokenizer
        self._mesh = mesh
        self._writes = processes.is_first()
        self._validation = load_pairs(
            config.data, "validation", side=stored_side(config.model.image_size)
        )
        self._rate = learning_rate(config.optimizer, settings.steps)
        self._probe_at = set(probe_steps(settings.steps, settings.probe_every))
        self._probe = Probe.choose(
            self._validation, settings.probe_pairs, config.model.image_size, settings.seed
        )
        self._watch = Watch(config.data.batch_size)
        self._tensorboard = None
        if settings.tensorboard and self._writes:
            from limoe_core.training.tensorboard import EventWriter

            self._tensorboard = EventWriter(run.path_of("events"))
        if config.model.experts and self._writes:
            run.save_probe_pictures(self._probe.pictures)

    def log(self, step: int, metrics: dict[str, Any], progress: TrainProgress) -> None:
        """Write one line of metrics.

        Raises:
          TrainingError: if the loss is no number, or far from where it began.
        """
        metrics = jax.device_get(metrics)
        loss = float(metrics["loss"])
        self.check(step, loss)
        layers = self.run.config.model.moe_layers
        routers = [
            {"layer": layer + 1, **values}
            for layer, values in zip(layers, metrics.pop("routers"), strict=True)
        ]
        speed = progress.advance(step, loss, self.run.config.data.batch_size)
        line = plain(
            {
                "step": step,
                **metrics,
                "learning_rate": self._rate(step - 1),
                "pairs_per_second": speed,
                "time": int(time.time()),
                "routers": routers,
            }
        )
        self._write(line)
        for warning in self._watch.collapsed(line["routers"]):
            self._write({"step": step, "warning": warning})
            progress.warn(step, warning)

    def check(self, step: int, loss: float) -> None:
        """
        Raises:
          TrainingError: if the loss is no number, or far from where it began.
        """
        if self._watch.diverged(loss):
            raise TrainingError(
                f"the loss of {self.run.name} is {loss:g} at step {step}, so training has "
                f"{'diverged' if math.isfinite(loss) else 'failed'}. {last_good(self.run)} A lower "
                "--optimizer.learning-rate or a longer --optimizer.warmup-steps may help."
            )

    def look(self, state: TrainState, step: int, progress: TrainProgress) -> None:
        """Probe and validate, if this step is due for it."""
        settings = self.run.config.train
        probe = step in self._probe_at and self.run.config.model.experts
        every = settings.evaluate_every
        evaluate = every and step and (step % every == 0 or step == settings.steps)
        if not (probe or evaluate):
            return
        with progress.paused():
            params = fetch(state.params, self._mesh)
            if self._writes:
                model = LoadedModel(
                    self.run.config, self._functional, params, self._tokenizer, step, self.run
                )
                if probe:
                    self.run.save_probe(step, self._probe.trace(model))
                if evaluate:
                    found = validate(model, self._validation)
                    self._write({"step": step, "validation": plain(found)})
                    progress.say(step, found)
            processes.wait_for_all(f"looked at step {step}")

    def _write(self, line: dict[str, Any]) -> None:
        if not self._writes:
            return
        self.run.append_metrics(line)
        if self._tensorboard is not None:
            self._tensorboard.write(line)


if __name__ == "__main__":
    sys.exit(main())
