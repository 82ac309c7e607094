"""A map of many points: pan, zoom, hover, colour, select; all in the browser."""

from app.components.scatter.payload import Cloud, Packed, packed
from app.components.scatter.view import scatter

__all__ = ["Cloud", "Packed", "packed", "scatter"]
