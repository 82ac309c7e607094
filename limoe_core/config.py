"""Every setting of a model, its training and its data.

Settings live here and nowhere else: the command lines of `limoe_core.train` and
`limoe_core.evaluate` are made from these dataclasses, and a run's `config.json` is one of them
written down.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Values that older settings spell otherwise, by the name of the setting.
_RENAMED = {("expert_layout", "runs"): "segments"}


class ConfigError(ValueError):
    """A setting that cannot work, said in words a user can act on."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the one-tower Transformer (LIMoE, section 2).

    `experts = 0` makes a dense model, with one MLP in the place of every mixture of experts: see
    `dense_twin`.
    """

    image_size: int = 64
    """Side of the square input picture, in pixels."""
    patch_size: int = 8
    """Side of a patch, in pixels."""
    text_length: int = 16
    """Most text tokens of a caption; longer text is cut."""
    vocab_size: int = 8192
    """Pieces of the SentencePiece vocabulary; id 0 is padding."""
    width: int = 128
    """Channels of a token (d)."""
    layers: int = 6
    """Encoder blocks."""
    heads: int = 4
    """Attention heads."""
    mlp_dim: int = 384
    """Hidden width of an MLP."""
    embed_dim: int = 128
    """Channels of the shared embedding that the two modalities are projected to."""
    experts: int = 8
    """Experts per mixture-of-experts layer (E); 0 makes the dense twin."""
    moe_every: int = 2
    """Each moe_every-th block holds a mixture-of-experts layer, counted from the first: 2 means
    blocks 2, 4, 6, … (counted from 1)."""
    moe_blocks: tuple[int, ...] = ()
    """The blocks that hold one, counted from 1, where they are not evenly spaced; goes before
    moe_every."""
    top_k: int = 1
    """Experts a token is sent to (K)."""
    expert_dim: int = 0
    """Hidden width of one expert, and in a dense twin of the MLP in its place; 0 takes mlp_dim."""
    shared_dim: int = 0
    """Hidden width of a shared expert, which every token passes besides its K; 0 for none."""
    router: Literal["learned", "frozen"] = "learned"
    """`frozen` leaves routers at their random start: what is left is what the inputs' geometry
    gives."""
    balance: Literal["none", "all", "modality"] = "none"
    """Loss-free balancing (arXiv 2408.15664): a bias per expert is added to the gate values that
    choose, not to those that weigh, and moved against the load after each step. `all` counts all
    tokens together, `modality` gives images and text a bias each. It is meant to stand in for the
    importance and load losses, which stay on unless their weights are 0."""
    balance_rate: float = 0.001
    """How far the bias of loss-free balancing moves in a step."""
    capacity_factor: float = 1.25
    """Buffer places of an expert, as a multiple of an even share K·n/E, in training."""
    eval_capacity_factor: float = 0.0
    """The same when a trained model is used; 0 drops no token at all, so that an embedding does not
    depend on what else is in its batch."""
    batch_priority: bool = True
    """Batch Priority Routing: places go by largest gate, not by position (V-MoE)."""
    router_noise: float = 1.0
    """Standard deviation of the training noise on router logits, in units of 1/E (V-MoE)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of everything but the routers, losses and norms, which stay in float32."""
    expert_layout: Literal["auto", "buffers", "segments"] = "auto"
    """How tokens lie for their experts; the result is the same. `buffers` gives every expert the
    same slots, `segments` only as many as it has tokens, one expert after another. `auto` takes
    segments on a single CPU, where that is faster, and buffers elsewhere."""
    remat: bool = False
    """Recompute a block's activations in the backward pass instead of keeping them."""

    def __post_init__(self) -> None:
        _require(self.image_size > 0 and self.patch_size > 0, "model: sizes must be positive")
        _require(
            self.image_size % self.patch_size == 0,
            f"model.image_size {self.image_size} is not a multiple of model.patch_size "
            f"{self.patch_size}",
        )
        _require(
            self.width % self.heads == 0,
            f"model.width {self.width} is not a multiple of model.heads {self.heads}",
        )
        _require(self.layers >= 1, "model.layers must be at least 1")
        _require(self.moe_every >= 1, "model.moe_every must be at least 1")
        _require(
            all(1 <= block <= self.layers for block in self.moe_blocks)
            and sorted(set(self.moe_blocks)) == list(self.moe_blocks),
            f"model.moe_blocks must name blocks from 1 to {self.layers} in rising order",
        )
        _require(self.experts >= 0, "model.experts must be 0 (dense twin) or more")
        _require(self.vocab_size > 260, "model.vocab_size must exceed 260 (bytes and specials)")
        _require(self.text_length >= 2, "model.text_length must be at least 2")
        _require(
            self.expert_dim >= 0 and self.shared_dim >= 0,
            "model.expert_dim and model.shared_dim must not be negative",
        )
        if self.experts:
            _require(
                1 <= self.top_k <= self.experts,
                f"model.top_k {self.top_k} is not between 1 and model.experts {self.experts}",
            )
            _require(
                self.balance == "none" or 0 < self.balance_rate < math.inf,
                "model.balance_rate must be a positive number, or model.balance none",
            )
            _require(self.capacity_factor > 0, "model.capacity_factor must be positive")
            _require(
                self.eval_capacity_factor >= 0, "model.eval_capacity_factor must not be negative"
            )

    @property
    def grid(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch_size

    @property
    def patches(self) -> int:
        """Patches, so image tokens, of one picture."""
        return self.grid**2

    @property
    def expert_hidden(self) -> int:
        """Hidden width of one expert."""
        return self.expert_dim or self.mlp_dim

    @property
    def active_hidden(self) -> int:
        """Hidden width that a token passes in a mixture: its K experts and the shared one."""
        if not self.experts:
            return self.expert_hidden
        return self.top_k * self.expert_hidden + self.shared_dim

    @property
    def moe_layers(self) -> tuple[int, ...]:
        """Indices, from 0, of the blocks that hold a mixture of experts (none for a dense twin)."""
        return self.expert_blocks if self.experts else ()

    @property
    def summary(self) -> str:
        """One line, such as `6 blocks of width 128; 8 experts in blocks 2, 4, 6, top 1`."""
        if self.moe_layers:
            blocks = ", ".join(str(layer + 1) for layer in self.moe_layers)
            experts = f"{self.experts} experts in blocks {blocks}, top {self.top_k}"
            experts = ", ".join((experts, *self.variations))
        else:
            experts = "no experts"
        return f"{self.layers} blocks of width {self.width}; {experts}"

    @property
    def variations(self) -> tuple[str, ...]:
        """How its mixtures differ from the paper's, in words; empty if they do not."""
        if not self.experts:
            return ()
        balanced = {"all": "balanced without a loss", "modality": "balanced per modality"}
        found = (
            "a shared expert" if self.shared_dim else "",
            "frozen routers" if self.router == "frozen" else "",
            balanced.get(self.balance, ""),
        )
        return tuple(filter(None, found))

    @property
    def expert_blocks(self) -> tuple[int, ...]:
        """Indices, from 0, of the blocks where a mixture of experts is, or would be in the twin."""
        if self.moe_blocks:
            return tuple(block - 1 for block in self.moe_blocks)
        return tuple(range(self.moe_every - 1, self.layers, self.moe_every))


@dataclass(frozen=True)
class LossConfig:
    """Auxiliary router losses, each with a weight of its own; 0 switches one off.

    With L the losses in use (weight > 0), the total added to the contrastive loss is
    `auxiliary / |L| · Σ_{l in L} weight_l · loss_l`, each loss averaged over the MoE layers
    (LIMoE, appendix; 0.04 there).
    """

    auxiliary: float = 0.04
    """Weight of the mean over the losses in use."""
    importance: float = 1.0
    load: float = 1.0
    z_loss: float = 1.0
    local_entropy_image: float = 0.0
    local_entropy_text: float = 1.0
    global_entropy_image: float = 1.0
    global_entropy_text: float = 1.0
    min_experts_image: float = 20 / 32
    """S_image / E: image tokens must spread over at least this share of the experts."""
    min_experts_text: float = 9 / 32
    """S_text / E: text tokens must spread over at least this share of the experts."""
    initial_temperature: float = 0.1
    """Starting value of the learned temperature that divides the similarities."""
    min_temperature: float = 0.01
    max_temperature: float = 1.0
    contrastive_block: int = 0
    """Rows of the batch-by-batch similarity matrix that exist at one time; it must divide the batch
    size. Memory then grows with the batch and not with its square. 0 makes the whole matrix."""

    def __post_init__(self) -> None:
        _require(
            0 < self.min_temperature <= self.initial_temperature <= self.max_temperature,
            "loss: need 0 < min_temperature <= initial_temperature <= max_temperature",
        )
        _require(self.contrastive_block >= 0, "loss.contrastive_block must not be negative")

    def threshold(self, modality: Literal["image", "text"], experts: int) -> float:
        """τ_m = log S_m in nats, with S_m at least one expert (LIMoE eq. 2)."""
        share = self.min_experts_image if modality == "image" else self.min_experts_text
        return math.log(max(1.0, share * experts))


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW or Muon with linear warm-up, a schedule and global-norm clipping."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` orthogonalises the updates of the blocks' matrices (Jordan et al., 2024; scaled as
    arXiv 2502.16982 does, so that AdamW's learning rate fits) and leaves the rest to AdamW."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    warmup_steps: int = 300
    schedule: Literal["cosine", "rsqrt"] = "cosine"
    cooldown_steps: int = 0
    """Length of the linear cool-down that ends an rsqrt schedule."""
    weight_decay: float = 0.05
    """Decoupled; never on biases, norms, position embeddings or the temperature."""
    beta1: float = 0.9
    beta2: float = 0.98
    clip_norm: float = 1.0
    """Largest global norm of the gradient."""


@dataclass(frozen=True)
class DataConfig:
    """Which pairs are read, from where, and how they are augmented."""

    name: str = "emoji"
    """`emoji`, `icons`, `emoji+icons`, or any TFDS image-text or image-label set that is prepared
    on disk."""
    config: str = "auto"
    """Builder config. For emoji: `base` (pip packages only), `full` (more art styles, from
    `make data`), or `auto`: `full` where its art is on this machine, else `base`."""
    dir: str | None = None
    """TFDS data directory; default: the environment's TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    class_names: str | None = None
    """File of readable class names, one a line, for a set whose labels are codes; default:
    class_names.txt in the set's folder, if there is one."""
    damaged: Literal["skip", "refuse"] = "skip"
    """What becomes of records of a prepared set whose picture cannot be read: they are left out and
    named at the start, or training does not start."""
    batch_size: int = 256
    """Pictures per step, over all devices."""
    captions_per_image: int = 2
    """Captions of each picture in a step, each in its own similarity matrix."""
    english_share: float = 0.2
    """Chance that a caption is drawn in English (names and aliases); the rest is shared evenly
    among the other languages."""
    augment: bool = True
    """Random crop, scale, shift, colour and background in training."""

    def __post_init__(self) -> None:
        _require(self.batch_size >= 2, "data.batch_size must be at least 2 (contrastive loss)")
        _require(self.captions_per_image >= 1, "data.captions_per_image must be at least 1")
        _require(0 <= self.english_share <= 1, "data.english_share must lie between 0 and 1")


@dataclass(frozen=True)
class TrainConfig:
    """Length and rhythm of a run."""

    steps: int = 6000
    seed: int = 0
    patch_keep: float = 1.0
    """Share of each picture's patches that a step sees, drawn anew each time (FLIP,
    arXiv 2212.00794); halves the cost of a step at 0.5."""
    full_patch_steps: int = 0
    """Last steps of the run that see every patch, whatever patch_keep says."""
    routing_groups: int = 1
    """Parts of a step's batch whose tokens compete for places among themselves only: each has
    buffers, and so a capacity, of its own. With a multiple of the devices no group spans two."""
    micro_batches: int = 1
    """Parts of a step's batch that are worked on one after the other, to fit more into memory. The
    contrastive loss and the auxiliary losses are still those of the whole batch, exactly, at the
    cost of a second forward pass (GradCache, arXiv 2101.06983). Each holds at least one routing
    group, so more micro-batches than routing groups make more groups."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    evaluate_every: int = 500
    """Steps between zero-shot evaluations on the validation split; 0 for none."""
    checkpoint_every: int = 500
    """Steps between checkpoints; the last step always has one."""
    keep_checkpoints: int = 3
    """Newest checkpoints to keep; 0 keeps all."""
    keep_period: int = 0
    """Every checkpoint at a multiple of this many steps is kept for good; 0 for none."""
    probe_pairs: int = 96
    """Validation pairs whose routing is recorded on the probe schedule."""
    probe_every: int = 500
    """Most steps between probe traces; early on they come at 0, 10, 20, 40, 80, …"""
    tensorboard: bool = False
    """Write TensorBoard event files beside metrics.jsonl (needs the `tensorboard` extra)."""

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "train.steps must be at least 1")
        _require(0 < self.patch_keep <= 1, "train.patch_keep must lie in (0, 1]")
        _require(self.log_every >= 1, "train.log_every must be at least 1")
        _require(self.checkpoint_every >= 1, "train.checkpoint_every must be at least 1")
        _require(
            self.routing_groups >= 1 and self.micro_batches >= 1,
            "train.routing_groups and train.micro_batches must be at least 1",
        )
        _require(
            self.groups % self.micro_batches == 0,
            f"train.routing_groups {self.routing_groups} is not a multiple of train.micro_batches "
            f"{self.micro_batches}",
        )

    @property
    def groups(self) -> int:
        """Routing groups of a step: no group spans two micro-batches."""
        return max(self.routing_groups, self.micro_batches)


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        batch, groups = self.data.batch_size, self.train.groups
        _require(
            batch % groups == 0,
            f"data.batch_size {batch} cannot be cut into {groups} routing groups of equal size",
        )
        block = self.loss.contrastive_block
        _require(
            batch % (block or 1) == 0,
            f"data.batch_size {batch} is not a multiple of loss.contrastive_block {block}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """The inverse of `to_dict`.

        Settings that are missing take their defaults; unknown ones raise `ConfigError`, since a
        model rebuilt without a setting it was trained with would be a different model.
        """
        return _build(cls, values, "config")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected a table of settings, found {type(values).__name__}")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(
            f"{where}: unknown setting {', '.join(unknown)}; it may come from a newer version"
        )
    built = {}
    for name, value in values.items():
        hint = hints[name]
        path = f"{where}.{name}"
        if isinstance(value, str):
            value = _RENAMED.get((name, value), value)
        if dataclasses.is_dataclass(hint):
            built[name] = _build(typing.cast(type, hint), value, path)
        else:
            built[name] = _check(hint, value, path)
    return cls(**built)


def _check(hint: Any, value: Any, path: str) -> Any:
    """`value` if it is of the annotated type `hint`, else a ConfigError that names it."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{path}: expected a list, found {value!r}")
        return tuple(_check(typing.get_args(hint)[0], part, path) for part in value)
    if origin is Literal:
        allowed: tuple[Any, ...] = typing.get_args(hint)
        good = value in allowed
        wanted = " or ".join(map(repr, allowed))
    else:
        kinds = typing.get_args(hint) if origin is types.UnionType else (hint,)
        if float in kinds and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        good = type(value) in kinds
        wanted = " or ".join(kind.__name__ for kind in kinds)
    if not good:
        raise ConfigError(f"{path}: expected {wanted}, found {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}: {value!r} is not a finite number")
    return value
