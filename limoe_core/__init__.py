"""LIMoE in JAX: one sparse Transformer for images and text (arXiv 2206.02770).

    import limoe_core
    model = limoe_core.load("checkpoints/limoe-emoji")
    model.encode_texts(["a red apple"])

Names are imported when first used, so that reading a trace or a run does not start JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limoe_core.config import Config
    from limoe_core.inference import LoadedModel, load
    from limoe_core.presets import preset
    from limoe_core.trace import RoutingTrace

__all__ = ["Config", "LoadedModel", "RoutingTrace", "load", "preset"]

_HOME = {
    "Config": "config",
    "preset": "presets",
    "LoadedModel": "inference",
    "load": "inference",
    "RoutingTrace": "trace",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"limoe_core.{_HOME[name]}"), name)
    if name in {"losses", "model"}:
        return importlib.import_module(f"limoe_core.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
