"""LIMoE in JAX: one sparse Transformer for images and text (arXiv 2206.02770).

    import limoe_core
    model = limoe_core.load("checkpoints/limoe-joint")
    model.encode_texts(["a red apple"])

Names are imported when first used, so that reading a trace or a run does not start JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; a test holds it equal to the table below
    from limoe_core import losses as losses
    from limoe_core import model as model
    from limoe_core.config import Config
    from limoe_core.inference import LoadedModel, load
    from limoe_core.presets import preset
    from limoe_core.trace import RoutingTrace

_HOME = {
    "Config": "config",
    "LoadedModel": "inference",
    "RoutingTrace": "trace",
    "load": "inference",
    "preset": "presets",
}
_PACKAGES = ("losses", "model")

__all__ = ["Config", "LoadedModel", "RoutingTrace", "load", "preset"]

if not TYPE_CHECKING:  # to a type checker a misspelt name would be of any type

    def __getattr__(name: str) -> Any:
        if name in _HOME:
            return getattr(importlib.import_module(f"limoe_core.{_HOME[name]}"), name)
        if name in _PACKAGES:
            return importlib.import_module(f"limoe_core.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_PACKAGES]
