"""What stands around the pages: who may ask, what may be uploaded, and how the server ends."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any, cast

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from app.server import jobs, uploads

#: Seconds between two looks at uploaded files.
_SWEEP_EVERY = 15.0
#: Seconds that connections and jobs get to end when the server is told to.
_PATIENCE = 8.0


class KnownHosts:
    """Refuses every request whose `Host` is none of `server.allowedHosts`.

    Streamlit itself checks the web socket alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] in ("http", "websocket")
        if asked and not is_host_allowed(Headers(scope=scope).get("host")):
            answer = PlainTextResponse(
                "This address is not one of the dashboard's (server.allowedHosts).", 403
            )
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class BoundedUploads:
    """Refuses an upload of a session that has too many files on the server already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PUT":
            _, _, place = str(scope["path"]).partition("/_stcore/upload_file/")
            session, _, _ = place.partition("/")
            size = Headers(scope=scope).get("content-length", "0")
            if session and not uploads.has_room(
                _files(), session, int(size) if size.isdecimal() else 0
            ):
                await PlainTextResponse("Too many files in this session.", 413)(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)


MIDDLEWARE = (Middleware(KnownHosts), Middleware(BoundedUploads))


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """From the start of the server to its end."""
    _end_in_time()
    atexit.register(_leave_jobs_behind)
    sweeping = asyncio.create_task(_sweep())
    if not st.get_option("server.headless"):
        browser = threading.Timer(0.5, _open_browser)  # a browser of the terminal stays in it
        browser.daemon = True
        browser.start()
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.to_thread(jobs.board().close, 2.0)


async def _sweep() -> None:
    sweeper = uploads.Sweeper(_files())
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        with suppress(RuntimeError):  # a session came or went meanwhile
            sweeper.sweep(filter(runtime.get_instance().is_active_session, _sessions()))


def _sessions() -> list[str]:
    return list(_files().file_storage)


def _files() -> MemoryUploadedFileManager:
    return cast(MemoryUploadedFileManager, runtime.get_instance().uploaded_file_mgr)


def _end_in_time() -> None:
    """End the process where a connection or a thread does not let go when it is told to end."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before: Any = signal.getsignal(number)

        def told(number: int, frame: FrameType | None, before: Any = before) -> None:
            guard = threading.Timer(_PATIENCE, _leave, args=(number,))
            guard.daemon = True
            guard.start()
            if callable(before):
                before(number, frame)

        signal.signal(number, told)


def _leave_jobs_behind() -> None:
    """Leave before the interpreter's own end, in which a thread in compiled code aborts."""
    if not jobs.board().close():
        _leave(signal.SIGINT)


def _leave(number: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)


def _open_browser() -> None:
    host, port, path = (
        st.get_option(name)
        for name in ("browser.serverAddress", "server.port", "server.baseUrlPath")
    )
    webbrowser.open(f"http://{host}:{port}/{path.strip('/')}")
