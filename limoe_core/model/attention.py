"""Self-attention within each sequence, and what computes it.

XLA's way makes the attention weights, reads them twice and keeps them for the backward pass, in
float32 and in the blocks' type. cuDNN's fused kernel never stores them: NVIDIA GPUs from Ampere on,
in bfloat16.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from limoe_core.config import ModelConfig
from limoe_core.model.layers import linear
from limoe_core.model.layout import Layout

#: First digit of the compute capability of the oldest GPUs that cuDNN's kernels are for.
_AMPERE = 8
#: Widest heads that cuDNN takes on all of them, and what their width is a multiple of.
_WIDEST_HEAD, _HEAD_UNIT = 128, 8


class Attention(nnx.Module):
    """Multi-head self-attention within each sequence; the same weights for both modalities."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.heads = config.heads
        self.cudnn = config.attention != "xla" and not why_no_cudnn(config)
        self.cudnn_with_masks = config.attention == "cudnn"
        self.qkv = linear(config.width, 3 * config.width, dtype=config.dtype, rngs=rngs)
        self.out = linear(config.width, config.width, dtype=config.dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "n d"], layout: Layout) -> Float[Array, "n d"]:
        images, texts = layout.split(self.qkv(x))
        # Padding attends to padding, so that no softmax is over nothing.
        same = layout.caption[:, :, None] == layout.caption[:, None, :]
        return self.out(layout.join(self._attend(images), self._attend(texts, same[:, None])))

    def _attend(
        self, qkv: Float[Array, "b s c"], mask: Bool[Array, "b 1 s s"] | None = None
    ) -> Float[Array, "b s d"]:
        b, s, c = qkv.shape
        if b == 0:
            return jnp.zeros((0, s, c // 3), qkv.dtype)
        q, k, v = jnp.moveaxis(qkv.reshape(b, s, 3, self.heads, -1), 2, 0)
        # There a mask becomes a bias, which needs an even length, and under vmap all of the heads.
        if self.cudnn and (mask is None or (self.cudnn_with_masks and s % 2 == 0)):
            of_heads = None if mask is None else jnp.broadcast_to(mask, (b, self.heads, s, s))
            attended = jax.nn.dot_product_attention(q, k, v, mask=of_heads, implementation="cudnn")
        else:
            attended = attend(q, k, v, mask)
        return attended.reshape(b, s, c // 3)


def why_no_cudnn(config: ModelConfig) -> str:
    """What such a model lacks on this machine for cuDNN's attention; empty if nothing."""
    if reason := why_unfit_for_cudnn(config):
        return reason
    if jax.default_backend() != "gpu":
        return f"needs an NVIDIA GPU, and JAX runs on {jax.default_backend()}"
    capability = str(getattr(jax.local_devices()[0], "compute_capability", ""))
    major = capability.partition(".")[0]
    if not major.isdecimal() or int(major) < _AMPERE:
        return "needs an NVIDIA GPU of the Ampere generation or later"
    return ""


def why_unfit_for_cudnn(config: ModelConfig) -> str:
    """What such a model lacks for cuDNN's attention on any machine; empty if nothing."""
    if config.dtype != "bfloat16":
        return f"needs model.dtype bfloat16, and it is {config.dtype}"
    head = config.width // config.heads
    if head > _WIDEST_HEAD or head % _HEAD_UNIT:
        return (
            f"takes heads of up to {_WIDEST_HEAD} channels, in multiples of {_HEAD_UNIT}, and "
            f"they have {head}"
        )
    return ""


def attend(
    q: Float[Array, "b s h c"],
    k: Float[Array, "b s h c"],
    v: Float[Array, "b s h c"],
    mask: Bool[Array, "b 1 s s"] | None = None,
) -> Float[Array, "b s h c"]:
    """Softmax attention, left to XLA; the softmax is in float32.

    Args:
      mask: which keys a query attends to; at least one.
    """
    scores = _scores(q, k) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    weights = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
    return jnp.einsum("bhqk,bkhc->bqhc", weights, v)


def _scores(q: Array, k: Array) -> Array:
    """Products of queries and keys, summed in float32."""
    if q.dtype == jnp.float32:
        return jnp.einsum("bqhc,bkhc->bhqk", q, k)
    return _narrow_scores(q, k)


@jax.custom_vjp
def _narrow_scores(q: Array, k: Array) -> Array:
    return jnp.einsum("bqhc,bkhc->bhqk", q, k, preferred_element_type=jnp.float32)


def _forward(q: Array, k: Array) -> tuple[Array, tuple[Array, Array]]:
    return _narrow_scores(q, k), (q, k)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    # JAX would multiply the slope in float32 with a bfloat16 factor, at the speed of float32.
    q, k = factors
    narrow = slope.astype(q.dtype)
    return (
        jnp.einsum("bhqk,bkhc->bqhc", narrow, k),
        jnp.einsum("bhqk,bqhc->bkhc", narrow, q),
    )


_narrow_scores.defvjp(_forward, _backward)
