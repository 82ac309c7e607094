"""A component without a sight of its own, which hands data on to another one.

Streamlit sends a component's HTML, CSS and code along with its data, whenever the data change, and
nothing at all while they do not. So a component with much code, or with a large part that stays,
has data that never change, and takes what does change from a channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.components import define

_CHANNEL = define("channel", Path(__file__).parent, scripts=("channel",))


def tell(channel: str, content: Any) -> None:
    """Hands JSON-ready data to whatever listens to the channel, now and when it is drawn later."""
    _CHANNEL(key=f"channel.{channel}", data={"channel": channel, "content": content})
