"""The browser's address bar: the entry of the page in view, corrected where it stands."""

from app.components.address.address import correct

__all__ = ["correct"]
