"""The same pair's routing at many steps of training, side by side."""

from app.components.training.training import training_strip

__all__ = ["training_strip"]
