"""What servers and libraries return about routing, as arrays of one shape."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import log_softmax, softmax

#: Most choices of one request.
_MOST = 2**26


class ServedError(ValueError):
    """Something that is not what a server returns, said in a sentence."""


class Choices(NamedTuple):
    """The experts of one request's tokens: L routers, T tokens, K choices, E experts."""

    expert: Integer[np.ndarray, "L T K"]
    """Best first, as far as the server sorts them; -1 for none."""
    gate: Float[np.ndarray, "L T K"] | None = None
    probs: Float[np.ndarray, "L T E"] | None = None


def of_vllm(response: Mapping[str, Any]) -> Choices:
    """The choices in a response of vLLM, of the prompt's tokens and of those it wrote.

    vLLM returns `prompt_routed_experts` and, for each completion, `routed_experts`: numbers of the
    shape (tokens, MoE layers, top k), as nested lists or as an array (docs.vllm.ai, "Routed experts
    replay"). Later releases return `routed_experts` alone, with the prompt's tokens first. The last
    token that was written never went through the model, and has no row.

    Args:
      response: an object with either of these names; a whole response with one completion in its
        `choices` does as well.

    Raises:
      ServedError: there are no such numbers, or they do not fit together.
    """
    found = dict(response)
    listed = found.get("choices")
    if isinstance(listed, Sequence) and listed and isinstance(listed[0], Mapping):
        if len(listed) > 1:
            raise ServedError(f"the response has {len(listed)} completions; import each by itself")
        found |= {name: value for name, value in listed[0].items() if value is not None}
    parts = [
        _numbers(found[name], name)
        for name in ("prompt_routed_experts", "routed_experts")
        if found.get(name) is not None
    ]
    if not parts:
        raise ServedError(
            "there is neither prompt_routed_experts nor routed_experts in the response; start vLLM "
            "with --enable-return-routed-experts"
        )
    if len({part.shape[1:] for part in parts}) > 1:
        raise ServedError(
            f"prompt_routed_experts are {parts[0].shape} and routed_experts {parts[1].shape}; only "
            "the first of (tokens, layers, top k) may differ"
        )
    return Choices(_by_layer(np.concatenate(parts)))


def of_sglang(response: Mapping[str, Any] | str, layers: int, top_k: int) -> Choices:
    """The choices in a response of SGLang.

    SGLang returns `meta_info["routed_experts"]`: 32-bit whole numbers in base64, token after token,
    then layer, then choice, with -1 where a layer has no experts.

    Args:
      response: the response, its `meta_info`, or the text itself.
      layers: of the model, those without experts included if the server counts them.
      top_k: choices a token.

    Raises:
      ServedError: there is no such text, or it holds no whole tokens.
    """
    text: Any = response
    if isinstance(response, Mapping):
        info = response.get("meta_info", response)
        text = info.get("routed_experts") if isinstance(info, Mapping) else None
    if not isinstance(text, str):
        raise ServedError(
            "there is no text routed_experts in the response's meta_info; start SGLang with "
            "--enable-return-routed-experts and ask with return_routed_experts"
        )
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ServedError(f"routed_experts are no base64: {error}") from None
    if layers < 1 or top_k < 1 or len(content) % (4 * layers * top_k):
        raise ServedError(
            f"routed_experts have {len(content)} bytes, which is no whole number of tokens with "
            f"{layers} layers and {top_k} choices of 4 bytes"
        )
    return Choices(_by_layer(np.frombuffer(content, "<i4").reshape(-1, layers, top_k)))


def of_logits(
    router_logits: Sequence[Any], top_k: int, *, normalised: bool = True, scores: bool = True
) -> Choices:
    """The choices of routers like Mixtral's, from `output_router_logits=True` of transformers.

    Softmax over all experts, the best K, and their shares divided by their sum.

    Args:
      router_logits: one (tokens, experts) a layer: of one request, without padding.
      normalised: whether the model divides by the sum (`norm_topk_prob`; Mixtral always does).
      scores: keep the softmax of every expert.

    Raises:
      ServedError: layers differ in shape, hold numbers that are not finite, or have fewer experts
        than `top_k`.
    """
    layers = [np.asarray(_plain(each), np.float32) for each in router_logits]
    if not layers or any(each.ndim != 2 or each.shape != layers[0].shape for each in layers):
        shapes = sorted({str(each.shape) for each in layers})
        raise ServedError(
            "router_logits must have one array of (tokens, experts) a layer, all of one shape; "
            f"there are {', '.join(shapes) or 'none'}"
        )
    logits = np.stack(layers)
    if not np.isfinite(logits).all():
        raise ServedError("router_logits hold numbers that are not finite")
    if not 1 <= top_k <= logits.shape[-1]:
        raise ServedError(f"top_k is {top_k}, and there are {logits.shape[-1]} experts")
    expert = np.argsort(-logits, axis=-1, kind="stable")[..., :top_k]
    best = np.take_along_axis(log_softmax(logits, axis=-1), expert, axis=-1)
    gate = softmax(best, axis=-1) if normalised else np.exp(best)
    probs = softmax(logits, axis=-1).astype(np.float16) if scores else None
    return Choices(expert.astype(np.int16), gate.astype(np.float32), probs)


def _plain(values: Any) -> Any:
    """An array of NumPy of what may be a tensor of PyTorch on any device, of any precision."""
    for name in ("detach", "float", "cpu"):
        values = getattr(values, name)() if hasattr(values, name) else values
    return values


def _numbers(values: Any, name: str) -> Integer[np.ndarray, "T L K"]:
    try:
        found = np.asarray(_plain(values) if hasattr(values, "detach") else values)
    except ValueError:
        raise ServedError(f"{name} are lists of unlike lengths") from None
    if found.ndim != 3 or (found.size and found.dtype.kind not in "iuf"):
        raise ServedError(
            f"{name} are {found.dtype} of the shape {found.shape}, not whole numbers of (tokens, "
            "layers, top k)"
        )
    whole = found.astype(np.int64)
    if found.dtype.kind == "f" and not np.array_equal(whole, found):
        raise ServedError(f"{name} hold numbers that are not whole")
    return whole


def _by_layer(choices: Integer[np.ndarray, "T every K"]) -> Integer[np.ndarray, "L T K"]:
    """Layers first, those without experts left out, and -1 behind the experts of a token."""
    if choices.size > _MOST:
        raise ServedError(f"there are {choices.size:,} choices; at most {_MOST:,} are read")
    if choices.size and not -1 <= choices.min() <= choices.max() < 2**15:
        raise ServedError(f"an expert has the number {choices.max()}, or one below -1")
    with_experts = (choices >= 0).any(axis=(0, 2))
    kept = choices[:, with_experts].transpose(1, 0, 2).astype(np.int16)
    order = np.argsort(kept < 0, axis=-1, kind="stable")
    return np.take_along_axis(kept, order, axis=-1)
