"""Parts that are drawn again alone leave no gap on the way to the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.testing.v1 import AppTest

from tests.app.one_page import open_page

Tree = dict[int, "Tree"]


def receive(messages: Iterable[ForwardMsg]) -> None:
    """Puts each element in its place, as the browser does: after those before it."""
    page: Tree = {root: {} for root in range(4)}  # main part, sidebar and so on
    for message in messages:
        if message.WhichOneof("type") != "delta":
            continue
        place = page
        *way, last = message.metadata.delta_path
        for index in way:
            assert index in place, f"no container at {message.metadata.delta_path}"
            place = place[index]
        assert last <= len(place), f"a gap before {message.metadata.delta_path}"
        place.setdefault(last, {})


def every_fragment_drawn_again_at_once(sent: list[ForwardMsg]) -> int:
    """As `AppSession` does where a fragment is drawn again before the page has left the server."""
    found = {fragment(message) for message in sent} - {""}
    for each in found:
        queue = ForwardMsgQueue()
        for message in sent:
            queue.enqueue(ForwardMsg.FromString(message.SerializeToString()))
        queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=[each])
        receive([*queue.flush(), *(message for message in sent if fragment(message) == each)])
    return len(found)


def fragment(message: ForwardMsg) -> str:
    delta: Delta = message.delta
    return delta.fragment_id


def test_a_fragment_that_others_follow_leaves_a_gap(sent: list[ForwardMsg]) -> None:
    """What the tests below would find."""

    def script() -> None:
        import streamlit as st

        st.fragment(lambda: st.write("in it"))()
        st.write("after it")

    AppTest.from_function(script).run()
    with pytest.raises(AssertionError, match="a gap before"):
        every_fragment_drawn_again_at_once(sent)


def test_one_that_stands_alone_leaves_none(sent: list[ForwardMsg]) -> None:
    def script() -> None:
        import streamlit as st

        from app.parts.fragments import alone

        st.write("before it")
        alone(lambda: st.write("in it"), every=1.0)
        st.write("after it")

    AppTest.from_function(script).run()
    assert every_fragment_drawn_again_at_once(sent) == 1


def test_the_frame_and_the_first_page_leave_no_gap(
    sent: list[ForwardMsg], opened: Callable[..., AppTest], runs_folder: Path
) -> None:
    opened(runs_folder, run="small")
    assert every_fragment_drawn_again_at_once(sent) > 1


@pytest.mark.parametrize("page", ["emergence", "training"])
def test_a_page_that_follows_training_leaves_no_gap(
    sent: list[ForwardMsg], runs_folder: Path, page: str
) -> None:
    open_page(page, runs_folder, run="small")
    assert every_fragment_drawn_again_at_once(sent) > 1
