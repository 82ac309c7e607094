"""Cards of a layer's experts: the patches with the highest gates, the words of highest lift."""

from app.components.experts.view import expert_cards

__all__ = ["expert_cards"]
