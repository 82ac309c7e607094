"""Parameters, tokens and FLOPs of a training step, counted from a config.

Only matrix products count as FLOPs, a multiply and an add each. Nothing is allocated or run.
`limoe_core.plan` prints these, and can hold them against what XLA says of the compiled step.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax

from limoe_core.config import Config
from limoe_core.model.functional import FunctionalModel

#: A backward pass makes two products for each of the forward pass: for the input and the weight.
_BACKWARD = 2


@dataclass(frozen=True)
class Parameters:
    """The number of parameters of a model."""

    total: int
    active: int
    """Those that one token passes through: of the experts only the chosen ones."""
    experts: int
    """Those that lie along the mesh axis `expert`."""

    @classmethod
    def of(cls, config: Config) -> Parameters:
        """Counted from the shapes of the model."""
        model = config.model
        functional = FunctionalModel.of(config)
        sizes = jax.tree.map(lambda leaf: leaf.size, functional.shapes)
        by_expert = functional.roles.mask(lambda role: role.by_expert)(sizes)
        total = sum(jax.tree.leaves(sizes))
        experts = sum(jax.tree.leaves(jax.tree.map(lambda n, ours: n * ours, sizes, by_expert)))
        unused = experts * (model.experts - model.top_k) // model.experts if experts else 0
        return cls(total, total - unused, experts)


@dataclass(frozen=True)
class Tokens:
    """Tokens of one step, over all devices."""

    image: int
    text: int

    @property
    def total(self) -> int:
        return self.image + self.text

    @classmethod
    def of(cls, config: Config, caption_tokens: float | None = None) -> Tokens:
        """
        Args:
          caption_tokens: of an average caption; None takes the longest there may be.
        """
        model, data = config.model, config.data
        patches = max(1, round(config.train.patch_keep * model.patches))
        length = model.text_length if caption_tokens is None else caption_tokens
        captions = data.batch_size * data.captions_per_image
        return cls(data.batch_size * patches, round(captions * length))


def forward_flops(config: Config, tokens: Tokens, *, padding: bool = True) -> float:
    """FLOPs of one forward pass over all devices.

    Args:
      padding: count the places of experts' buffers, filled or not, as the machine does; without,
        only the tokens' own work, as a comparison with a dense model should.
    """
    model, data = config.model, config.data
    d, n = model.width, tokens.total
    captions = data.batch_size * data.captions_per_image
    patches = tokens.image / data.batch_size
    # Attention unfolds captions to their full length.
    pairs = data.batch_size * patches**2 + captions * model.text_length**2
    attention = n * (2 * d * 3 * d + 2 * d * d) + 4 * d * pairs
    hidden = float(model.expert_hidden)
    if model.experts:
        slots = model.top_k * (model.capacity_factor if padding else 1.0)
        hidden = slots * hidden + model.shared_dim
    special = len(model.expert_blocks)
    mlps = 4 * d * ((model.layers - special) * model.mlp_dim + special * hidden)
    blocks = model.layers * attention + n * mlps
    blocks += len(model.moe_layers) * n * 2 * d * model.experts
    embedding = tokens.image * 2 * (3 * model.patch_size**2) * d
    heads = (data.batch_size + captions) * 2 * d * model.embed_dim
    contrast = captions * 2 * data.batch_size * model.embed_dim
    return float(blocks + embedding + heads + contrast)


def step_flops(config: Config, tokens: Tokens, *, padding: bool = True) -> float:
    """FLOPs of a training step over all devices: forward, backward, and what is computed twice."""
    forward = forward_flops(config, tokens, padding=padding)
    return forward * (1 + _BACKWARD + forwards_again(config))


def forwards_again(config: Config) -> int:
    """Forward passes of a step beyond the first; `dots` computes no product with weights again."""
    return (config.train.micro_batches > 1) + (config.model.remat == "full")
