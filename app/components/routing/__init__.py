"""The routing view: a pair's tokens coloured by expert, in all MoE layers at once."""

from app.components.routing.group import Group
from app.components.routing.payload import MOST_CHOICES, Shown, payload
from app.components.routing.view import routing_view

__all__ = ["MOST_CHOICES", "Group", "Shown", "payload", "routing_view"]
