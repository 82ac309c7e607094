"""Data for a component that stays as it is, so that its code is not sent again with them."""

from app.components.channel.channel import tell

__all__ = ["tell"]
