"""The observer of a training run, which writes down how it is going."""

from __future__ import annotations

import math
import time
from typing import Any

import jax
from jax.sharding import Mesh

from limoe_core.data.pairs import PairSet
from limoe_core.devices import processes
from limoe_core.devices.mesh import fetch
from limoe_core.inference import LoadedModel
from limoe_core.model.functional import FunctionalModel
from limoe_core.runs import Run
from limoe_core.tokenizer import Tokenizer
from limoe_core.training.alarms import Watch
from limoe_core.training.errors import DivergedError, last_good
from limoe_core.training.optimizer import learning_rate
from limoe_core.training.probes import Probe, probe_steps
from limoe_core.training.progress import TrainProgress
from limoe_core.training.router_metrics import plain
from limoe_core.training.step import TrainState
from limoe_core.training.validation import validate


class Observer:
    """Writes down how a run is going: metrics, validation and probe traces.

    Every process of a run has one and makes the same calls; only the first writes.
    """

    def __init__(
        self,
        run: Run,
        functional: FunctionalModel,
        tokenizer: Tokenizer,
        validation: PairSet,
        mesh: Mesh,
    ) -> None:
        config = run.config
        settings = config.train
        self.run = run
        self._functional = functional
        self._tokenizer = tokenizer
        self._mesh = mesh
        self._writes = processes.is_first()
        self._validation = validation
        self._rate = learning_rate(config.optimizer, settings.steps)
        self._probe_at = set(probe_steps(settings.steps, settings.probe_every))
        self._probe = Probe.choose(
            self._validation, settings.probe_pairs, config.model.image_size, settings.seed
        )
        self._watch = Watch(config.data.batch_size)
        self.has_looked = False
        """Whether what `look` needs is compiled."""
        self._tensorboard = None
        if settings.tensorboard and self._writes:
            from limoe_core.training.tensorboard import EventWriter

            newest = max(run.steps(), default=-1)
            self._tensorboard = EventWriter(run.path_of("events"), after=newest)
        if config.model.experts and self._writes:
            run.save_probe_pictures(self._probe.pictures)

    def log(self, step: int, metrics: dict[str, Any], progress: TrainProgress) -> None:
        """Write one line of metrics.

        Raises:
          DivergedError: if the loss is no number, or far from where it began.
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
          DivergedError: if the loss is no number, or far from where it began.
        """
        if self._watch.diverged(loss):
            raise DivergedError(
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
        self.has_looked = True

    def _write(self, line: dict[str, Any]) -> None:
        if not self._writes:
            return
        self.run.append_metrics(line)
        if self._tensorboard is not None:
            self._tensorboard.write(line)
