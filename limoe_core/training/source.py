"""The trained run whose parameters a new one starts from, and the models that can take them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import NamedTuple

from limoe_core.config import Config, ConfigError, DataConfig, ModelConfig
from limoe_core.data.identity import Recorded, data_of
from limoe_core.runs import Run, RunError
from limoe_core.runs.origin import Origin, parted
from limoe_core.training.resume import option

#: What every parameter's shape, or what attention does with it, hangs on.
_SAME = ("patch_size", "width", "layers", "heads", "embed_dim")
#: What is kept of data settings when another set is named: how it is read, and from which folder.
_KEPT_OF_DATA = (
    *("dir", "damaged", "batch_size", "captions_per_image", "english_share", "augment"),
)


@dataclass(frozen=True)
class Source:
    """A step of a trained run."""

    run: Run
    step: int

    @classmethod
    def named(cls, text: str | os.PathLike[str]) -> Source:
        """From a run's folder, or `folder@step` for another step than the newest.

        Raises:
          RunError: there is no such run or step.
        """
        path, step = parted(text)
        run = Run.open(path)
        return cls(run, run.resolve_step(step))

    @property
    def model(self) -> ModelConfig:
        """Settings of its model."""
        return self.run.config.model

    def settings(self, *, other_data: bool = False) -> Config:
        """Its settings, for a run that says nothing else.

        Args:
          other_data: leave out which data it was trained on.
        """
        data = data_of(self.run)
        if other_data:
            data = DataConfig(**{name: getattr(data, name) for name in _KEPT_OF_DATA})
        return replace(self.run.config, data=data)

    def check_fits(self, config: Config, *, new_vocabulary: bool) -> None:
        """Checks that another model can start from its parameters.

        Args:
          config: settings of the new run.
          new_vocabulary: whether that gets a vocabulary of its own.

        Raises:
          ConfigError: it cannot; the message names the settings.
        """
        old, new, name = self.model, config.model, self.run.name
        wrong = [
            f"{option(f'model.{setting}')} {getattr(new, setting)} (it has {getattr(old, setting)})"
            for setting in _SAME
            if getattr(new, setting) != getattr(old, setting)
        ]
        if wrong:
            raise ConfigError(
                f"a run cannot start from {name} with {', '.join(wrong)}; leave such options and "
                "the preset out, or train a new model"
            )
        if new.vocab_size != old.vocab_size and not new_vocabulary:
            raise ConfigError(
                f"--model.vocab-size {new.vocab_size} is not the {old.vocab_size} pieces of "
                f"{name}; leave it out, or add --new-vocabulary to train one on the new captions"
            )
        for block in range(new.layers):
            if why := _misfit(_Mlp.of(old, block), _Mlp.of(new, block)):
                raise ConfigError(f"a run cannot start from {name}: block {block + 1} {why}")

    def changes(self, config: Config) -> list[str]:
        """What is not a plain copy in the new model, its vocabulary aside, in sentences."""
        old, new = self.model, config.model
        told = []
        if found := upcycled_blocks(old, new):
            blocks = ", ".join(str(block + 1) for block in found)
            told.append(
                f"in {'blocks' if len(found) > 1 else 'block'} {blocks} the MLP becomes "
                f"{new.experts} experts, copies of it with outputs scaled against the mean gates "
                "of a new router"
            )
        if new.balance != "none" and old.balance == "none" and old.moe_layers:
            told.append("the biases of loss-free balancing are new")
        if new.grid != old.grid:
            told.append(
                f"positions of {old.grid}×{old.grid} patches are resampled to {new.grid}×{new.grid}"
            )
        if new.text_length > old.text_length:
            told.append(
                f"the positions of {old.text_length} text tokens are copied, and "
                f"{new.text_length - old.text_length} behind them are new"
            )
        if new.text_length < old.text_length:
            told.append(f"the positions of the first {new.text_length} text tokens are copied")
        return told

    def origin(self, changes: list[str]) -> Origin:
        """What the new run remembers of it.

        Args:
          changes: see `Origin.changes`.
        """
        data = Recorded.of(self.run, "train")
        where = str(self.run.path)
        return Origin(self.run.name, self.step, where, data.name, data.digest, tuple(changes))

    def check_step(self, run: Run) -> None:
        """Checks that the first process started a run from the same step as this one.

        Raises:
          RunError: the source was trained on between the two.
        """
        origin = run.origin
        if origin is None or origin.step != self.step:
            raise RunError(
                f"another process of this run started from {origin}, and this one from step "
                f"{self.step:,}; name the step: --init-from {self.run.path}@{self.step}"
            )


class _Mlp(NamedTuple):
    """What stands behind the attention of a block; without experts an MLP."""

    experts: int
    hidden: int
    shared: int

    @classmethod
    def of(cls, model: ModelConfig, block: int) -> _Mlp:
        if block in model.moe_layers:
            return cls(model.experts, model.expert_hidden, model.shared_dim)
        return cls(0, model.expert_hidden if block in model.expert_blocks else model.mlp_dim, 0)


def upcycled_blocks(old: ModelConfig, new: ModelConfig) -> list[int]:
    """Indices, from 0, of the blocks whose MLP becomes a mixture of experts."""
    return [block for block in new.moe_layers if block not in old.moe_layers]


def _misfit(old: _Mlp, new: _Mlp) -> str | None:
    """Why one cannot start from the other, behind the block's number; None if it can."""
    if old.experts and not new.experts:
        return (
            f"is a mixture of {old.experts} experts there, and many experts cannot become one MLP; "
            "keep --model.experts and the blocks that hold them"
        )
    if old.experts and new.experts != old.experts:
        return (
            f"has {old.experts} experts there, and --model.experts {new.experts} would be another "
            "number; only a dense model can start a mixture of any number of experts"
        )
    if new.shared != old.shared:
        return (
            f"would have a shared expert of {new.shared} channels and has {old.shared or 'none'} "
            "there (--model.shared-dim)"
        )
    if new.hidden != old.hidden:
        kind = "experts" if new.experts else "an MLP"
        return (
            f"would have {kind} of hidden width {new.hidden} and has {old.hidden} there "
            "(--model.mlp-dim, --model.expert-dim)"
        )
    return None
