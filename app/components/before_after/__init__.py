"""One pair's routing before and after a change, in all layers side by side."""

from app.components.before_after.before_after import before_after

__all__ = ["before_after"]
