"""The shape of a model, its mixtures of experts, and how it computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from limoe_core.settings import Between, Positive, Weight, require, require_bounds

#: Most parameters of a model. Larger ones exist nowhere, but in files that were made to do harm.
_MOST_PARAMETERS = 10**12
#: Most numbers of the attention of one pair in one block, 4 bytes each.
_MOST_ATTENTION = 2**28

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
