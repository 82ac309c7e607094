"""The routing view: a pair's tokens coloured by expert, in all MoE layers at once."""

from app.components.routing.group import Group
from app.components.routing.payload import payload
from app.components.routing.view import routing_view

__all__ = ["Group", "payload", "routing_view"]
