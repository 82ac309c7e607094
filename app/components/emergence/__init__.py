"""Token shares of each expert, step by step, for one run or for several in step."""

from app.components.emergence.player import Past, shares_player

__all__ = ["Past", "shares_player"]
