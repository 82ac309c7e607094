"""How long training goes on, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from limoe_core.settings import Between, Count, Positive, Share, require, require_bounds


@dataclass(frozen=True)
class TrainConfig:
    """Length and rhythm of a run."""

    steps: Positive = 6000
    seed: Annotated[int, Between(-(2**63), 2**63 - 1)] = 0
    patch_keep: Share = 1.0
    """Share of each picture's patches that a step sees, drawn anew each time (FLIP,
    arXiv 2212.00794); halves the cost of a step at 0.5."""
    full_patch_steps: Count = 0
    """Last steps of the run that see every patch, whatever patch_keep says."""
    routing_groups: Positive = 1
    """Parts of a step's batch whose tokens compete for places among themselves only: each has
    buffers, and so a capacity, of its own. With a multiple of the devices no group spans two."""
    micro_batches: Positive = 1
    """Parts of a step's batch that are worked on one after the other, to fit more into memory. The
    contrastive loss and the auxiliary losses are still those of the whole batch, exactly, at the
    cost of a second forward pass (GradCache, arXiv 2101.06983). Each holds at least one routing
    group, so more micro-batches than routing groups make more groups."""
    log_every: Positive = 10
    """Steps between lines of metrics.jsonl."""
    evaluate_every: Count = 500
    """Steps between zero-shot evaluations on the validation split; 0 for none."""
    checkpoint_every: Positive = 500
    """Steps between checkpoints; the last step always has one."""
    keep_checkpoints: Count = 3
    """Newest checkpoints to keep; 0 keeps all."""
    keep_period: Count = 0
    """Every checkpoint at a multiple of this many steps is kept for good; 0 for none."""
    shard: Literal["none", "optimizer", "parameters"] = "none"
    """What is cut along the mesh axis `data` instead of lying whole on each of its devices (ZeRO,
    arXiv 1910.02054): the optimizer's state, or the parameters and their gradients as well. The
    result is the same; memory of large models falls with the number of devices."""
    probe_pairs: Annotated[int, Between(0, 100_000)] = 96
    """Validation pairs whose routing is recorded on the probe schedule."""
    probe_every: Positive = 500
    """Most steps between probe traces; early on they come at 0, 10, 20, 40, 80, …"""
    tensorboard: bool = False
    """Write TensorBoard event files beside metrics.jsonl (needs the `tensorboard` extra)."""

    def __post_init__(self) -> None:
        require_bounds(self, "train")
        require(self.patch_keep > 0, "train.patch_keep must be positive")
        require(
            self.groups % self.micro_batches == 0,
            f"train.routing_groups {self.routing_groups} is not a multiple of train.micro_batches "
            f"{self.micro_batches}",
        )

    @property
    def shards_optimizer(self) -> bool:
        """Whether the optimizer's state is cut along `data`."""
        return self.shard != "none"

    @property
    def shards_parameters(self) -> bool:
        """Whether parameters are cut along `data`."""
        return self.shard == "parameters"

    @property
    def groups(self) -> int:
        """Routing groups of a step: no group spans two micro-batches."""
        return max(self.routing_groups, self.micro_batches)
