"""One forward pass of any family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float


def forward(model: Any, inputs: Mapping[str, Any]) -> Float[torch.Tensor, "B S V"]:
    """The logits of a forward pass.

    A family may wrap a whole language model, as Llama 4 does. Its wrapper fails in some versions of
    transformers when all is computed, for want of a field; the logits within are then taken.
    """
    whole = [each for each in model.children() if type(each).__name__.endswith("ForCausalLM")]
    within: list[Any] = []
    hooks = [each.register_forward_hook(lambda *given: within.append(given[-1])) for each in whole]
    try:
        logits: torch.Tensor = model(**inputs, use_cache=False)[0]
    except AttributeError:
        if not within:
            raise
        logits = within[-1][0]
    finally:
        for hook in hooks:
            hook.remove()
    return logits
