"""Cards of a layer's experts: each one's surest patches and the words it is known by."""

from app.components.experts.view import expert_cards

__all__ = ["expert_cards"]
