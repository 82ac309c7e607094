"""A client of the dashboard without a browser, over Streamlit's web socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
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
        #: Streamlit's name for it; "" before the first answer.
        self.session = ""
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

    def open_until(self, kind: str, key: str, page: str = "", **query: str) -> bool:
        """Open a page, and read its answer until a widget is drawn; False if none was."""
        self._turn(page, query)
        self._socket.send(self._question(page).SerializeToString())
        self._read(time.perf_counter(), enough=lambda: self._has(kind, key))
        return self._has(kind, key)

    def press(self, key: str) -> None:
        """Press the button with this key on the open page."""
        self._press(key)
        self._read(time.perf_counter())

    def press_until(self, pressed: str, kind: str, key: str) -> None:
        """Press a button, and read the answer until a widget is drawn."""
        self._press(pressed)
        self._read(time.perf_counter(), enough=lambda: self._has(kind, key))

    def _press(self, key: str) -> None:
        message = self._question("")
        pressed = message.rerun_script.widget_states.widgets.add()
        pressed.id = self.widget("button", key)
        pressed.trigger_value = True
        self._socket.send(message.SerializeToString())

    def type(self, key: str, text: str) -> float:
        """Fill in the text field with this key on the open page; seconds as in `open`."""
        return self._ask("", {self.widget("text_input", key): text})

    def pick(self, key: str, value: str) -> float:
        """Pick something in the component with this key on the open page; seconds as in `open`."""
        message = self._question("")
        picked = message.rerun_script.widget_states.widgets.add()
        component = self.widget("bidi_component", f"-{key}")
        picked.id = f"$$STREAMLIT_INTERNAL_KEY_{component}__events"
        picked.json_trigger_value = json.dumps([{"event": "pick", "value": value}])
        return self._answer(message)

    def widget(self, kind: str, key: str) -> str:
        """Streamlit's name for a widget of the last answer."""
        for element in self.elements:
            if element.WhichOneof("type") == kind:
                name: str = getattr(element, kind).id
                if name.endswith(key):
                    return name
        raise Trouble(f"there is no {kind} {key} on the page")

    def _has(self, kind: str, key: str) -> bool:
        try:
            return bool(self.widget(kind, key))
        except Trouble:
            return False

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

    def _question(self, page: str) -> BackMsg:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        state.page_script_hash = self._page
        if not self._page:
            state.page_name = page
        return message

    def _ask(self, page: str, widgets: Mapping[str, str]) -> float:
        message = self._question(page)
        for name, value in widgets.items():
            changed = message.rerun_script.widget_states.widgets.add()
            changed.id = name
            changed.string_value = value
        return self._answer(message)

    def _answer(self, message: BackMsg) -> float:
        started = time.perf_counter()
        self._socket.send(message.SerializeToString())
        self._read(started)
        return time.perf_counter() - started

    def _read(self, started: float, enough: Callable[[], bool] = lambda: False) -> None:
        self.elements = []
        while not enough():
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
                self.session = message.new_session.initialize.session_id
            elif kind == "navigation":
                found = message.navigation
                self.pages = {page.url_pathname: page.page_script_hash for page in found.app_pages}
                self._page = found.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._take(message.delta.new_element)
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
