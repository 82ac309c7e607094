"""A client of the dashboard without a browser, over Streamlit's web socket."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

#: Seconds until a missing answer counts as none.
PATIENCE = 180.0


class Trouble(RuntimeError):
    """The dashboard answered with an exception, or not at all."""


class Client:
    """One session. Elements of the last answer are in `elements`."""

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        self._socket = connect(
            f"ws://{place.netloc}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            origin=Origin(f"http://{place.netloc}"),
            proxy=None,  # it is on this machine
            max_size=None,
            open_timeout=PATIENCE,
            ping_timeout=None,
        )
        self.elements: list[Element] = []
        self.pages: dict[str, str] = {}
        #: Whether the browser is told to send usage statistics; None before the first answer.
        self.gathers_statistics: bool | None = None
        self._query = ""
        self._page = ""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, as a reader who leaves."""
        self._socket.close()

    def open(self, page: str = "", **query: str) -> float:
        """Open a page by its path and query; return seconds until it is drawn.

        Raises:
          Trouble: the page shows an exception, or is not drawn in time.
        """
        self._turn(page, query)
        return self._ask(page, {})

    def open_until(self, kind: str, page: str = "", **query: str) -> bool:
        """Open a page, but only until an element of this kind is drawn; False if none was."""
        self._turn(page, query)
        started = time.perf_counter()
        self._send(page, {})
        self._read(started, until=kind)
        return any(element.WhichOneof("type") == kind for element in self.elements)

    def type(self, key: str, text: str) -> float:
        """Fill in the text field with this key on the open page; seconds as in `open`."""
        return self._ask("", {self.widget("text_input", key): text})

    def widget(self, kind: str, key: str) -> str:
        """Streamlit's name for a widget of the last answer."""
        for element in self.elements:
            if element.WhichOneof("type") == kind:
                name: str = getattr(element, kind).id
                if name.endswith(f"-{key}"):
                    return name
        raise Trouble(f"there is no {kind} {key} on the page")

    def words(self) -> str:
        """All text of the last answer's boxes, captions and paragraphs, as Markdown."""
        bodies = []
        for element in self.elements:
            kind = element.WhichOneof("type")
            if kind in ("alert", "markdown", "heading"):
                bodies.append(getattr(element, kind).body)
        return "\n".join(bodies)

    def _turn(self, page: str, query: Mapping[str, str]) -> None:
        self._page = self.pages.get(page, "")
        self._query = urlencode(query)

    def _ask(self, page: str, widgets: Mapping[str, str]) -> float:
        started = time.perf_counter()
        self._send(page, widgets)
        self._read(started)
        return time.perf_counter() - started

    def _send(self, page: str, widgets: Mapping[str, str]) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        state.page_script_hash = self._page
        if not self._page:
            state.page_name = page
        for name, value in widgets.items():
            changed = state.widget_states.widgets.add()
            changed.id = name
            changed.string_value = value
        self._socket.send(message.SerializeToString())

    def _read(self, started: float, until: str = "") -> None:
        self.elements = []
        while True:
            left = PATIENCE - (time.perf_counter() - started)
            if left <= 0:
                raise Trouble(f"no answer within {PATIENCE:.0f} seconds")
            try:
                raw = self._socket.recv(timeout=left)
            except TimeoutError:
                raise Trouble(f"no answer within {PATIENCE:.0f} seconds") from None
            message = ForwardMsg.FromString(raw if isinstance(raw, bytes) else raw.encode())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.gathers_statistics = message.new_session.config.gather_usage_stats
            elif kind == "navigation":
                found = message.navigation
                self.pages = {page.url_pathname: page.page_script_hash for page in found.app_pages}
                self._page = found.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._take(message.delta.new_element)
                if message.delta.new_element.WhichOneof("type") == until:
                    return
            elif kind == "script_finished" and _is_end(message):
                return

    def _take(self, element: Element) -> None:
        if element.WhichOneof("type") == "exception":
            found = element.exception
            where = " | ".join(found.stack_trace[-2:])
            raise Trouble(f"{found.type}: {found.message} {where}"[:600])
        self.elements.append(element)


def _is_end(message: ForwardMsg) -> bool:
    """True at the end of a script run, unless another one follows, as after a rerun."""
    stopped = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN
    return message.script_finished != stopped
