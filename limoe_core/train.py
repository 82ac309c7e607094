"""Train a LIMoE: `python -m limoe_core.train --preset emoji-tiny --run checkpoints/my-run`."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from limoe_core import command
from limoe_core.checkpoint import Run, RunError
from limoe_core.config import Config, ConfigError
from limoe_core.data.batches import training_batches
from limoe_core.data.pairs import stored_side
from limoe_core.data.source import PairSet, load_pairs
from limoe_core.functional import FunctionalModel, initial_params
from limoe_core.host import keep_freed_memory
from limoe_core.inference import LoadedModel
from limoe_core.model import pack_places
from limoe_core.optimizer import learning_rate, make_optimizer
from limoe_core.probes import Probe, probe_steps
from limoe_core.progress import TrainProgress
from limoe_core.statistics import plain
from limoe_core.steps import StepStore
from limoe_core.tokenizer import Tokenizer
from limoe_core.train_step import Batch, TrainState, TrainStep, make_train_step
from limoe_core.validation import validate


@dataclass(frozen=True)
class Command:
    """Train a model and write everything about it to a run directory."""

    run: Path
    """The run directory to write; its name is the run's name."""
    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: str = "emoji-tiny"
    """Named settings to start from: emoji-tiny, emoji-dense or debug."""
    resume: bool = False
    """Go on with a run that was stopped, with the settings that it was started with."""


class TrainingError(RuntimeError):
    """Training cannot go on, and why."""


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    try:
        options = command.parse_with_preset(Command, arguments)
        train(options.run, options.config, resume=options.resume)
    except (ConfigError, RunError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; go on with --resume", file=sys.stderr)
        return 130
    return 0


def train(path: Path, config: Config, *, resume: bool = False) -> Run:
    """Train to the end, from the start or from the newest checkpoint of a run.

    A resumed run ends with bitwise the same parameters as one that was never stopped.

    Raises:
      ConfigError: for settings that cannot work with the data.
      RunError: if the run directory cannot be used.
      TrainingError: if the loss is no longer a number.
    """
    keep_freed_memory()
    if resume:
        config = Run.open(path).config
    pairs = load_pairs(config.data, "train", side=stored_side(config.model.image_size))
    functional = FunctionalModel.of(config)
    if resume:
        run = Run.open(path)
    else:
        data = {"name": pairs.name, "train_pictures": len(pairs)}
        run = Run.create(path, config, data=data, parameters=functional.parameters)
    tokenizer = prepare_tokenizer(run, pairs)
    batches = training_batches(pairs, tokenizer, config)
    train_config = config.train
    with run.checkpoints(
        keep=train_config.keep_checkpoints, keep_period=train_config.keep_period
    ) as store:
        state = start_or_restore(run, store, functional, batches)
        observer = Observer(run, functional, tokenizer)
        loop(state, batches, store, observer, functional, config)
    return run


def prepare_tokenizer(run: Run, pairs: PairSet) -> Tokenizer:
    """The run's tokenizer, trained on the training captions if there is none yet."""
    if (run.path / "tokenizer.model").exists():
        return run.tokenizer()
    tokenizer = Tokenizer.train(pairs.captions(), run.config.model.vocab_size)
    run.save_tokenizer(tokenizer)
    return tokenizer


def start_or_restore(
    run: Run, store: StepStore, functional: FunctionalModel, batches: Any
) -> TrainState:
    """The state after the newest checkpoint, with the input set to go on there; else a new one."""
    config = run.config
    optimizer = make_optimizer(config.optimizer, config.train.steps)
    steps = store.steps()
    if not steps:
        run.truncate_metrics(-1)
        params = initial_params(config, config.train.seed)
        return TrainState(params, jax.jit(optimizer.init)(params), jnp.zeros((), jnp.int32))
    step = steps[-1]
    shapes = functional.shapes
    targets = {"params": shapes, "opt_state": jax.eval_shape(optimizer.init, shapes)}
    restored = store.restore_all(step, targets)
    batches.set_state(restored["input"])
    run.truncate_metrics(step)
    return TrainState(restored["params"], restored["opt_state"], jnp.asarray(step, jnp.int32))


def loop(
    state: TrainState,
    batches: Any,
    store: StepStore,
    observer: Observer,
    functional: FunctionalModel,
    config: Config,
) -> None:
    """Step after step to the end, with what is due after each of them."""
    steps = config.train.steps
    start = int(state.step)
    step_of = step_functions(functional, config)
    with TrainProgress(observer.run.name, start, steps) as progress:
        if start == 0:
            observer.look(state, 0, progress)
        for step, batch in zip(range(start + 1, steps + 1), batches, strict=False):
            state, metrics = step_of(step)(state, to_batch(batch))
            if step % config.train.log_every == 0 or step in (1, steps):
                observer.log(step, metrics, progress)
            observer.look(state, step, progress)
            if step % config.train.checkpoint_every == 0 or step == steps:
                store.save(step, state.params, state.opt_state, batches.get_state())


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


def to_batch(batch: dict[str, np.ndarray]) -> Batch:
    """The input pipeline's arrays as a step takes them."""
    texts = batch["text"]
    places = pack_places(texts.reshape(-1, texts.shape[-1]), texts.shape[0] * texts.shape[1])
    return Batch(jnp.asarray(batch["image"]), jnp.asarray(texts), jnp.asarray(places))


class Observer:
    """Writes down how a run is going: metrics, validation and probe traces."""

    def __init__(self, run: Run, functional: FunctionalModel, tokenizer: Tokenizer) -> None:
        config = run.config
        settings = config.train
        self.run = run
        self._functional = functional
        self._tokenizer = tokenizer
        self._validation = load_pairs(
            config.data, "validation", side=stored_side(config.model.image_size)
        )
        self._rate = learning_rate(config.optimizer, settings.steps)
        self._probe_at = set(probe_steps(settings.steps, settings.probe_every))
        self._probe = Probe.choose(
            self._validation, settings.probe_pairs, config.model.image_size, settings.seed
        )
        self._tensorboard = None
        if settings.tensorboard:
            from limoe_core.tensorboard import EventWriter

            self._tensorboard = EventWriter(run.path / "tensorboard")
        if config.model.experts:
            run.save_probe_pictures(self._probe.pictures)

    def log(self, step: int, metrics: dict[str, Any], progress: TrainProgress) -> None:
        """Write one line of metrics.

        Raises:
          TrainingError: if the loss is not a finite number.
        """
        metrics = jax.device_get(metrics)
        loss = float(metrics["loss"])
        if not math.isfinite(loss):
            saved = self.run.steps()
            last = (
                f"the last good checkpoint is step {saved[-1]}" if saved else "none was saved yet"
            )
            raise TrainingError(
                f"the loss of {self.run.name} is {loss} at step {step}; {last}. A lower "
                "--optimizer.learning-rate or a longer --optimizer.warmup-steps may help."
            )
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

    def look(self, state: TrainState, step: int, progress: TrainProgress) -> None:
        """Probe and validate, if this step is due for it."""
        settings = self.run.config.train
        probe = step in self._probe_at and self.run.config.model.experts
        every = settings.evaluate_every
        evaluate = every and step and (step % every == 0 or step == settings.steps)
        if not (probe or evaluate):
            return
        with progress.paused():
            model = LoadedModel(
                self.run.config, self._functional, state.params, self._tokenizer, step, self.run
            )
            if probe:
                self.run.save_probe(step, self._probe.trace(model))
            if evaluate:
                found = validate(model, self._validation)
                self._write({"step": step, "validation": plain(found)})
                progress.say(step, found)

    def _write(self, line: dict[str, Any]) -> None:
        self.run.append_metrics(line)
        if self._tensorboard is not None:
            self._tensorboard.write(line)


if __name__ == "__main__":
    sys.exit(main())
