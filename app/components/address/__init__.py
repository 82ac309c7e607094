"""Correction of the browser's address bar without a new entry in its history."""

from app.components.address.address import correct

__all__ = ["correct"]
