"""A strip of pictures to pick from, filtered in the browser."""

from app.components.gallery.gallery import Item, contact_sheet, gallery

__all__ = ["Item", "contact_sheet", "gallery"]
