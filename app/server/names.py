"""Addresses of pages as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import streamlit as st
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class WrittenNames:
    """Leads `/routing`, `/Experts` or `/zero_shot` to where that page is.

    Streamlit itself has one spelling for each page, and none for the first, which is at `/`.

    Args:
      pages: path of each page in the address, by its name; "" for the first page.
    """

    def __init__(self, app: ASGIApp, pages: Mapping[str, str]) -> None:
        self._app = app
        self._pages = {_letters(name): path for name, path in pages.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            base = "/" + st.get_option("server.baseUrlPath").strip("/")
            asked = scope["path"].removeprefix(base).strip("/")
            page = self._pages.get(_letters(asked), asked)
            if page != asked:
                query = scope["query_string"].decode("ascii", "replace")
                there = f"{base.rstrip('/')}/{page}" + (f"?{query}" if query else "")
                await RedirectResponse(there)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unquote(name)).lower()
