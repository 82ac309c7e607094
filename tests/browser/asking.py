"""What a page asks of the server because of its reader."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page
from streamlit.proto.BackMsg_pb2 import BackMsg

_BINARY = 2  # opcode of a web socket's frame that holds a message
#: Milliseconds in which what was asked has left the browser.
_LEAVES = 500


@contextmanager
def questions(page: Page) -> Iterator[list[BackMsg]]:
    """What the reader's doing sends to the server, all of it at the end of the block.

    What the page sends by itself, at any time, is left out: a fragment's timer (the look at the
    folder of runs) and the sign of life.
    """
    asked: list[BackMsg] = []

    def sent(event: dict[str, Any]) -> None:
        frame = event["response"]
        if frame["opcode"] != _BINARY:
            return
        message = BackMsg.FromString(base64.b64decode(frame["payloadData"]))
        if not _by_itself(message):
            asked.append(message)

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketFrameSent", sent)
    try:
        yield asked
        page.wait_for_timeout(_LEAVES)
    finally:
        session.detach()


@contextmanager
def no_question(page: Page) -> Iterator[None]:
    """What is done in the block must be answered in the browser alone."""
    with questions(page) as asked:
        yield
    assert asked == []


def _by_itself(message: BackMsg) -> bool:
    kind = message.WhichOneof("type")
    return kind == "app_heartbeat" or (
        kind == "rerun_script" and message.rerun_script.is_auto_rerun
    )
