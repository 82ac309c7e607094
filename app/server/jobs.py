"""Background jobs on a page: long computations behind a bar, with a button to give them up.

Whose turn it is, and when a job ends unfinished, is the matter of `app.server.board`.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError
from typing import NoReturn, TypeVar, cast

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.server.board import Board, Cancelled, Job
from app.server.board import Progress as Progress

T = TypeVar("T")

_LOOK_EVERY = 0.1  # seconds
#: In the session's state: the jobs that its reader gave up.
_GIVEN_UP = "jobs.given up"


@functools.cache
def board() -> Board:
    """The job board of this server."""
    return Board(_present)


def known(key: Hashable) -> bool:
    """Whether the job was started before, so that asking again is free."""
    return board().find(key) is not None


def running(key: Hashable) -> bool:
    """Whether the job has been started and is not done."""
    job = board().find(key)
    return job is not None and not job.future.done()


def want(key: Hashable) -> None:
    """The reader asks for the job by a button of the page, whether or not it was given up."""
    _given_up().discard(key)


def result(key: Hashable, work: Callable[[Progress], T], label: str) -> T:
    """The result of `work`: kept from an earlier call, or computed behind a progress bar.

    If the reader gives the job up, the page says so and stops there.

    Args:
      key: names the question in full: the same key never gets another answer.
      work: runs in another thread, so it must not use Streamlit; it may raise. It can be ended
        only where it calls what it is given, which raises `Cancelled`.
      label: what is being done, shown above the bar; our own words only.
    """
    job = board().find(key)
    if key in _given_up() and (job is None or not job.future.done()):
        _offer_again(key, label)
    job = board().start(key, work, _reader())
    if not job.future.done():
        time.sleep(0.02)  # much is done in no time and needs no bar
    if not job.future.done():
        _wait(job, label)
    try:
        return cast(T, job.future.result())
    except (Cancelled, CancelledError):
        _offer_again(key, label)


def _wait(job: Job, label: str) -> None:
    """Shows the bar, and the button beside it, until the job is done."""
    place = st.empty()
    with place.container():
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        bar = left.progress(0.0, label)
        right.button(
            "Cancel",
            key=f"{_name(job.key)}.cancel",
            on_click=_give_up,
            args=(job.key,),
            width="stretch",
            help="Other readers who wait for the same go on waiting for it.",
        )
        while not job.future.done():
            bar.progress(*_shown(job, label))
            time.sleep(_LOOK_EVERY)
    place.empty()


def _shown(job: Job, label: str) -> tuple[float, str]:
    if not job.future.running():
        return 0.0, f"{label}: waiting for your other work to end"
    if not job.total:
        return 0.0, f"{label} …"
    return min(1.0, job.done / job.total), f"{label}: {job.done:,} of {job.total:,}"


def _offer_again(key: Hashable, label: str) -> NoReturn:
    st.info(f"{label}: cancelled.", icon=":material/cancel:")
    st.button("Start again", key=f"{_name(key)}.again", on_click=want, args=(key,))
    st.stop()


def _give_up(key: Hashable) -> None:
    _given_up().add(key)
    board().leave(key, _reader())


def _given_up() -> set[Hashable]:
    return cast("set[Hashable]", st.session_state.setdefault(_GIVEN_UP, set()))


def _reader() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def _present(reader: str) -> bool:
    return not runtime.exists() or runtime.get_instance().is_active_session(reader)


def _name(key: Hashable) -> str:
    return f"job.{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}"
