"""Every setting of a model, its training and its data.

Settings live here and nowhere else: the command lines of `limoe_core.train` and
`limoe_core.evaluate` are made from these dataclasses, and a run's `config.json` is one of them
written down.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from limoe_core.settings import (
    Between,
    ConfigError,
    Count,
    Positive,
    Share,
    Weight,
    build,
    require,
    require_bounds,
)

__all__ = [
    "Config",
    "ConfigError",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "TrainConfig",
]

#: Names become folders, so none of them leads anywhere else: `set`, `set/config`, `set:1.0.0`.
_SET_NAME = re.compile(r"[A-Za-z0-9_][\w+-]{0,99}(/[A-Za-z0-9_][\w.+-]{0,99})?(:[0-9.]{1,30})?")
_SET_CONFIG = re.compile(r"[A-Za-z0-9_][\w.+-]{0,99}")


#: Most parameters of a model. Larger ones exist nowhere, but in files that were made to do harm.
_MOST_PARAMETERS = 10**12
#: Most numbers of the attention of one pair in one block, 4 bytes each.
_MOST_ATTENTION = 2**28
#: Most bytes of the pictures of the probe pairs, as readers take them.
_MOST_PICTURES = 2**28

#: Blocks from which on `ModelConfig.equal_blocks` takes a loop by itself.
_DEEP = 13

_Width = Annotated[int, Between(1, 2**17)]
_Hidden = Annotated[int, Between(0, 2**20)]
_Side = Annotated[int, Between(1, 4096)]


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the one-tower Transformer (LIMoE, section 2).

    `experts = 0` makes a dense model, with one MLP in the place of every mixture of experts: see
    `dense_twin`.
    """

    image_size: _Side = 64
    """Side of the square input picture, in pixels."""
    patch_size: _Side = 8
    """Side of a patch, in pixels."""
    text_length: Annotated[int, Between(2, 16_384)] = 16
    """Most text tokens of a caption; longer text is cut."""
    vocab_size: Annotated[int, Between(261, 2**21)] = 8192
    """Pieces of the SentencePiece vocabulary; id 0 is padding."""
    width: _Width = 128
    """Channels of a token (d)."""
    layers: Annotated[int, Between(1, 512)] = 6
    """Encoder blocks."""
    heads: Annotated[int, Between(1, 1024)] = 4
    """Attention heads."""
    mlp_dim: Annotated[int, Between(1, 2**20)] = 384
    """Hidden width of an MLP."""
    embed_dim: _Width = 128
    """Channels of the shared embedding that the two modalities are projected to."""
    experts: Annotated[int, Between(0, 4096)] = 8
    """Experts per mixture-of-experts layer (E); 0 makes the dense twin."""
    moe_every: Positive = 2
    """Each moe_every-th block holds a mixture-of-experts layer, counted from the first: 2 means
    blocks 2, 4, 6, … (counted from 1)."""
    moe_blocks: tuple[int, ...] = ()
    """The blocks that hold one, counted from 1, where they are not evenly spaced; goes before
    moe_every."""
    top_k: int = 1
    """Experts a token is sent to (K)."""
    expert_dim: _Hidden = 0
    """Hidden width of one expert, and in a dense twin of the MLP in its place; 0 takes mlp_dim."""
    shared_dim: _Hidden = 0
    """Hidden width of a shared expert, which every token passes besides its K; 0 for none."""
    router: Literal["learned", "frozen", "hash"] = "learned"
    """`frozen` leaves routers at their random start: what is left is what the inputs' geometry
    gives. `hash` has none (arXiv 2106.04426): the expert is a fixed function of which piece of text
    or which place in the picture a token is, and its output counts in full."""
    balance: Literal["none", "all", "modality"] = "none"
    """Loss-free balancing (arXiv 2408.15664): a bias per expert is added to the gate values that
    choose, not to those that weigh, and moved against the load after each step. `all` counts all
    tokens together, `modality` gives images and text a bias each. It is meant to stand in for the
    importance and load losses, which stay on unless their weights are 0."""
    balance_rate: Weight = 0.001
    """How far the bias of loss-free balancing moves in a step."""
    capacity_factor: Weight = 1.25
    """Buffer places of an expert, as a multiple of an even share K·n/E, in training."""
    eval_capacity_factor: Weight = 0.0
    """The same when a trained model is used; 0 drops no token at all, so that an embedding does not
    depend on what else is in its batch."""
    batch_priority: bool = True
    """Batch Priority Routing: places go by largest gate, not by position (V-MoE)."""
    router_noise: Weight = 1.0
    """Standard deviation of the training noise on router logits, in units of 1/E (V-MoE)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of everything but the routers, losses, heads and norms, which stay in float32.
    Where that is float32 too, GPUs and TPUs multiply in fewer bits while the model is trained, and
    in all of them once it is used."""
    residual_dtype: Literal["float32", "bfloat16"] = "float32"
    """What is passed on from block to block; bfloat16 moves half the bytes, and needs dtype
    bfloat16. Norms compute in float32 all the same."""
    expert_layout: Literal["auto", "buffers", "segments"] = "auto"
    """How tokens lie for their experts; the result is the same. `buffers` gives every expert the
    same slots, `segments` only as many as it has tokens, one expert after another. `auto` takes
    segments on a single CPU, where that is faster, and buffers elsewhere."""
    attention: Literal["auto", "xla", "cudnn"] = "auto"
    """What computes attention. `cudnn` is NVIDIA's fused kernel, which never stores the attention
    weights; it needs bfloat16 and an Ampere GPU or a newer one. `auto` takes it there for pictures,
    and XLA for captions, which are too short to gain, and everywhere else."""
    remat: Literal["none", "dots", "full"] = "none"
    """What a block computes again in the backward pass instead of keeping it. `dots` keeps the
    results of matrix products with weights and computes attention, norms and nonlinearities again;
    `full` keeps the block's input alone."""

    equal_blocks: Literal["auto", "loop", "unrolled"] = "auto"
    """How a pattern of blocks that repeats is compiled; the result is the same. `loop` compiles it
    once and runs it in a loop, which costs a copy of the blocks' parameters and gradients;
    `unrolled` compiles each block. `auto` takes the loop from 13 blocks on, as L/16 and H/14 have,
    where compiling each would take minutes."""

    def __post_init__(self) -> None:
        require_bounds(self, "model")
        require(
            self.image_size % self.patch_size == 0,
            f"model.image_size {self.image_size} is not a multiple of model.patch_size "
            f"{self.patch_size}",
        )
        require(
            self.width % self.heads == 0,
            f"model.width {self.width} is not a multiple of model.heads {self.heads}",
        )
        require(
            all(1 <= block <= self.layers for block in self.moe_blocks)
            and sorted(set(self.moe_blocks)) == list(self.moe_blocks),
            f"model.moe_blocks must name blocks from 1 to {self.layers} in rising order",
        )
        if self.experts:
            require(
                1 <= self.top_k <= self.experts,
                f"model.top_k {self.top_k} is not between 1 and model.experts {self.experts}",
            )
            require(
                self.balance == "none" or self.balance_rate > 0,
                "model.balance_rate must be a positive number, or model.balance none",
            )
            require(self.capacity_factor > 0, "model.capacity_factor must be positive")
        require(
            self._parameters <= _MOST_PARAMETERS,
            f"model: these settings make {self._parameters:.1e} parameters, more than "
            f"{_MOST_PARAMETERS:.0e}",
        )
        require(
            self.dtype == "bfloat16" or self.residual_dtype == "float32",
            "model.residual_dtype bfloat16 needs model.dtype bfloat16",
        )
        tokens = self.patches + self.text_length
        require(
            self.heads * tokens**2 <= _MOST_ATTENTION,
            f"model: {self.heads} heads over {tokens:,} tokens are more than a block can attend "
            "to; use larger patches or smaller pictures",
        )

    @property
    def _parameters(self) -> int:
        """The number of parameters but for biases, norms and routers, without JAX."""
        mixtures = len(self.moe_layers)
        mixture = self.experts * self.expert_hidden + self.shared_dim
        hidden = mixtures * mixture + (self.layers - mixtures) * self.mlp_dim
        read = self.vocab_size + self.patches + self.text_length + 3 * self.patch_size**2
        return self.width * (4 * self.layers * self.width + 2 * hidden + read + 2 * self.embed_dim)

    @property
    def loops_over_blocks(self) -> bool:
        """Whether blocks that repeat run in a loop: see `equal_blocks`."""
        if self.equal_blocks == "auto":
            return self.layers >= _DEEP
        return self.equal_blocks == "loop"

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
    def router_deviation(self) -> float:
        """Standard deviation of the training noise on router logits; 0 for none."""
        return self.router_noise / self.experts if self.experts else 0.0

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
            {"frozen": "frozen routers", "hash": "experts by hash"}.get(self.router, ""),
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

    auxiliary: Weight = 0.04
    """Weight of the mean over the losses in use."""
    importance: Weight = 1.0
    load: Weight = 1.0
    z_loss: Weight = 1.0
    local_entropy_image: Weight = 0.0
    local_entropy_text: Weight = 1.0
    global_entropy_image: Weight = 1.0
    global_entropy_text: Weight = 1.0
    min_experts_image: Share = 20 / 32
    """S_image / E: image tokens must spread over at least this share of the experts."""
    min_experts_text: Share = 9 / 32
    """S_text / E: text tokens must spread over at least this share of the experts."""
    initial_temperature: Weight = 0.1
    """Starting value of the learned temperature that divides the similarities."""
    min_temperature: Weight = 0.01
    max_temperature: Weight = 1.0
    contrastive_block: Count = 0
    """Rows of the batch-by-batch similarity matrix that exist at one time; it must divide the batch
    size. Memory then grows with the batch and not with its square. 0 makes the whole matrix."""

    def __post_init__(self) -> None:
        require_bounds(self, "loss")
        require(
            0 < self.min_temperature <= self.initial_temperature <= self.max_temperature,
            "loss: need 0 < min_temperature <= initial_temperature <= max_temperature",
        )

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
    learning_rate: Weight = 2e-3
    """Peak learning rate."""
    warmup_steps: Count = 300
    schedule: Literal["cosine", "rsqrt"] = "cosine"
    cooldown_steps: Count = 0
    """Length of the linear cool-down that ends an rsqrt schedule."""
    weight_decay: Weight = 0.05
    """Decoupled; never on biases, norms, position embeddings or the temperature."""
    beta1: Share = 0.9
    beta2: Share = 0.98
    clip_norm: Annotated[float, Between(0, 1e30)] = 1.0
    """Largest global norm of the gradient."""

    def __post_init__(self) -> None:
        require_bounds(self, "optimizer")


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
    path: str | None = None
    """Your own pairs: a folder with metadata.csv, metadata.jsonl or captions.csv, pictures with
    texts of the same name, folders named by class, WebDataset tars, or Parquet files with pictures.
    They are imported once into the data directory. docs/data.md has an example of each. Or the
    folder of a set that TFDS has prepared. Goes before the name."""
    image_column: str | None = None
    """Column of your own pairs with names of files or bytes of pictures, where it has no usual
    name."""
    text_column: str | None = None
    """Column of your own pairs with texts, where it has no usual name."""
    class_names: str | None = None
    """File of readable class names, one a line, for a set whose labels are codes; default:
    class_names.txt in the set's folder, if there is one."""
    damaged: Literal["skip", "refuse"] = "skip"
    """What becomes of pictures, and of texts of your own pairs, that cannot be read: they are left
    out and named at the start, or training does not start."""
    batch_size: Annotated[int, Between(2, 2**24)] = 256
    """Pictures per step, over all devices."""
    captions_per_image: Annotated[int, Between(1, 1024)] = 2
    """Captions of each picture in a step, each in its own similarity matrix."""
    english_share: Share = 0.2
    """Chance that a caption is drawn in English (names and aliases); the rest is shared evenly
    among the other languages."""
    first_share: Share = 0.0
    """Of two sets that are shown together (`emoji+icons`): share of each batch that the first one
    has, so that a small set is not lost beside a large one. 0 takes pictures as they come."""
    workers: Annotated[int, Between(-1, 1024)] = -1
    """Processes that read and decode pictures; 0 does it in the training process. -1 takes none for
    a set in memory or where the model itself runs on the CPU, else one for each core of the process
    but one."""
    augment: bool = True
    """Random crop, scale, shift, colour and background in training."""

    def __post_init__(self) -> None:
        require_bounds(self, "data")

        require(
            _SET_NAME.fullmatch(self.name) is not None,
            f"data.name {_quoted(self.name)} is not the name of a data set, such as cifar100 or "
            "coco_captions/2014:1.1.0",
        )
        require(
            _SET_CONFIG.fullmatch(self.config) is not None,
            f"data.config {_quoted(self.config)} is not the name of a builder config",
        )
        require(
            self.dir is None or "://" not in self.dir,
            f"data.dir {_quoted(self.dir)} is not a folder of this machine",
        )

    @property
    def places(self) -> dict[str, str]:
        """Files and folders of a machine that the settings name, by the setting."""
        named = {"dir": self.dir, "path": self.path, "class_names": self.class_names}
        return {setting: place for setting, place in named.items() if place is not None}

    def without_places(self, *settings: str) -> DataConfig:
        """The same without the places that these settings name; by default without any."""
        without: dict[str, Any] = dict.fromkeys(settings or self.places)
        return dataclasses.replace(self, **without)


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
        require(
            batch % groups == 0,
            f"data.batch_size {batch} cannot be cut into {groups} routing groups of equal size",
        )
        pictures = self.train.probe_pairs * 3 * self.model.image_size**2
        require(
            pictures <= _MOST_PICTURES,
            f"train.probe_pairs {self.train.probe_pairs:,} with pictures of "
            f"{self.model.image_size} pixels make {pictures / 2**20:,.0f} MiB of pictures; at most "
            f"{_MOST_PICTURES // 2**20} MiB are kept",
        )
        block = self.loss.contrastive_block
        require(
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
        return build(cls, values, "config")


def _quoted(value: object) -> str:
    """A value for a message, cut where it is long."""
    return repr(str(value)[:100])
