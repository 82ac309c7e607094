"""A strip of pictures to pick from, filtered in the browser."""

from app.components.gallery.gallery import Item, gallery

__all__ = ["Item", "gallery"]
