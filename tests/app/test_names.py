"""Addresses of pages as people write them."""

from __future__ import annotations

import asyncio

import pytest
import streamlit as st
from starlette.types import Message, Receive, Scope, Send

from app.server.names import WrittenNames

PAGES = {"routing": "", "experts": "experts", "zero-shot": "zero-shot"}


def location(path: str, query: str = "", method: str = "GET") -> str | None:
    """Where a request is sent on to; None where it is answered as it is."""
    started: list[Message] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        started.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    asyncio.run(WrittenNames(page, PAGES)(scope, receive, send))
    return dict(started[0]["headers"]).get(b"location", b"").decode() or None


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("/routing", "/"),
        ("/Routing/", "/"),
        ("/Experts", "/experts"),
        ("/zero_shot", "/zero-shot"),
        ("/Zero-shot", "/zero-shot"),
        ("/zero%20shot", "/zero-shot"),
        ("/zeroshot", "/zero-shot"),
    ],
)
def test_a_page_is_found_however_its_name_is_written(written: str, there: str) -> None:
    assert location(written) == there
    assert location(written, "run=a%20b&step=0") == f"{there}?run=a%20b&step=0"


@pytest.mark.parametrize(
    "path", ["/", "/experts", "/zero-shot/", "/elsewhere", "/static/js/Experts", "//routing.org"]
)
def test_what_is_written_right_or_is_no_page_is_left_as_it_is(path: str) -> None:
    assert location(path) is None


def test_what_is_no_visit_is_left_as_it_is() -> None:
    assert location("/Experts", method="PUT") is None


def test_the_dashboard_may_stand_below_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": "lens"}.__getitem__)
    assert location("/lens/routing", "step=0") == "/lens/?step=0"
    assert location("/lens/Experts") == "/lens/experts"
    assert location("/lens/") is None
