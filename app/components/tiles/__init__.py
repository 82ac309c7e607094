"""Pictures in a grid, each with its caption and a line about it."""

from app.components.tiles.tiles import Tile, tiles

__all__ = ["Tile", "tiles"]
