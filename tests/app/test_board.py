"""Jobs: done once for all who ask, one at a time for each reader, ended when nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.server import board as boards
from app.server.board import WAITING, Board, Cancelled, Progress


class Work:
    """A job that goes on until it is let go, and reports meanwhile if it is one that does."""

    def __init__(self, *, reports: bool = True) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()
        self._reports = reports

    def __call__(self, progress: Progress) -> str:
        self.begun.set()
        try:
            while not self.let_go.wait(0.005):
                if self._reports:
                    progress(1, 2)
            return "answer"
        finally:
            self.ended.set()


@pytest.fixture
def here() -> set[str]:
    return {"ada", "bob", "eve"}


@pytest.fixture
def board(here: set[str], monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setattr(boards, "AWAY", 0.05)
    monkeypatch.setattr(boards, "_LOOK_EVERY", 0.0)
    return Board(here.__contains__)


def soon(event: threading.Event) -> bool:
    return event.wait(10)


def until(condition: Callable[[], Any]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def test_a_question_is_answered_once_for_all_who_ask(board: Board) -> None:
    work, never = Work(), Work()
    first = board.start("q", work, "ada")
    assert board.start("q", never, "bob") is first
    work.let_go.set()
    assert first.future.result(10) == "answer"
    assert board.start("q", never, "eve").future.result(10) == "answer"
    assert not never.begun.is_set()


def test_readers_do_not_wait_for_each_other(board: Board) -> None:
    """Not even for jobs that never end, of as many others as there are."""
    stuck = [Work(reports=False) for _ in range(20)]
    for number, work in enumerate(stuck):
        board.start(("stuck", number), work, f"reader {number}")
    good = Work()
    good.let_go.set()
    assert board.start("good", good, "ada").future.result(10) == "answer"
    for work in stuck:
        work.let_go.set()


def test_a_readers_own_jobs_take_turns(board: Board) -> None:
    first, second = Work(), Work()
    board.start(1, first, "ada")
    waiting = board.start(2, second, "ada")
    assert soon(first.begun)
    assert not waiting.future.running()
    first.let_go.set()
    assert soon(second.begun)
    second.let_go.set()
    assert waiting.future.result(10) == "answer"


def test_a_job_that_waits_for_one_reader_begins_for_another(board: Board) -> None:
    first, second = Work(), Work()
    board.start(1, first, "ada")
    board.start(2, second, "ada")
    board.start(2, second, "bob")
    assert soon(second.begun)
    board.close(5)


def test_a_reader_who_asks_on_and_on_drops_the_oldest_question(board: Board) -> None:
    first = Work()
    board.start("first", first, "ada")
    waiting = [board.start(number, Work(), "ada") for number in range(WAITING + 2)]
    assert [job.future.cancelled() for job in waiting] == [True, True] + [False] * WAITING
    assert board.find(0) is None
    assert board.find("first") is not None
    board.close(5)


def test_a_job_ends_when_its_reader_gives_it_up(board: Board) -> None:
    work, after = Work(), Work()
    job = board.start("q", work, "ada")
    board.start("after", after, "ada")
    assert soon(work.begun)
    board.leave("q", "ada")
    with pytest.raises(Cancelled):
        job.future.result(10)
    assert soon(after.begun)
    assert board.find("q") is None
    again = Work()
    again.let_go.set()
    after.let_go.set()
    assert board.start("q", again, "ada").future.result(10) == "answer"


def test_a_job_goes_on_for_those_who_still_wait(board: Board) -> None:
    work = Work()
    job = board.start("q", work, "ada")
    board.start("q", work, "bob")
    board.leave("q", "ada")
    next_one = Work()
    board.start("next", next_one, "ada")
    assert soon(next_one.begun), "what others wait for holds up nobody who left it"
    work.let_go.set()
    assert job.future.result(10) == "answer"
    next_one.let_go.set()


def test_a_job_ends_when_its_reader_is_gone(board: Board, here: set[str]) -> None:
    work = Work()
    job = board.start("q", work, "ada")
    assert soon(work.begun)
    here.remove("ada")
    with pytest.raises(Cancelled):
        job.future.result(10)


def test_a_page_that_is_loaded_anew_takes_the_job_over(board: Board, here: set[str]) -> None:
    boards.AWAY = 0.5
    work = Work()
    job = board.start("q", work, "ada")
    assert soon(work.begun)
    here.remove("ada")
    board.start("q", work, "bob")
    assert until(lambda: set(job.readers) == {"bob"})
    work.let_go.set()
    assert job.future.result(10) == "answer"


def test_a_waiting_job_of_a_reader_who_is_gone_never_begins(board: Board, here: set[str]) -> None:
    first, second = Work(reports=False), Work()
    board.start(1, first, "ada")
    waiting = board.start(2, second, "ada")
    here.remove("ada")
    time.sleep(0.06)
    first.let_go.set()
    assert until(waiting.future.cancelled)
    assert not second.begun.is_set()


def test_a_job_without_reports_goes_on_and_holds_up_its_reader_alone(board: Board) -> None:
    work, after, other = Work(reports=False), Work(), Work()
    job = board.start("q", work, "ada")
    assert soon(work.begun)
    board.leave("q", "ada")
    waiting = board.start("after", after, "ada")
    board.start("other", other, "bob")
    assert soon(other.begun)
    assert not waiting.future.running()
    assert board.start("q", Work(), "ada") is job, "who asks again finds it, well under way"
    work.let_go.set()
    assert job.future.result(10) == "answer"
    assert soon(after.begun)
    board.close(5)


def test_a_job_that_failed_is_told_and_tried_anew(board: Board) -> None:
    def fail(progress: Progress) -> None:
        raise ValueError("no")

    job = board.start("q", fail, "ada")
    with pytest.raises(ValueError, match="no"):
        job.future.result(10)
    work = Work()
    work.let_go.set()
    assert board.start("q", work, "ada").future.result(10) == "answer"


def test_answers_are_kept_up_to_a_number(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "KEPT", 3)
    for key in range(8):
        board.start(key, lambda progress: None, "ada").future.result(10)
    assert [key for key in range(8) if board.find(key)] == [5, 6, 7]


def test_at_the_end_jobs_end_and_no_more_begin(board: Board) -> None:
    work, waiting, stuck = Work(), Work(), Work(reports=False)
    board.start(1, work, "ada")
    board.start(2, waiting, "ada")
    board.start(3, stuck, "bob")
    assert soon(work.begun) and soon(stuck.begun)
    assert not board.close(0.2)
    assert soon(work.ended)
    assert not waiting.begun.is_set()
    late = board.start(4, Work(), "eve")
    assert not late.future.running()
    stuck.let_go.set()
    assert board.close(10)


def test_threads_of_jobs_do_not_hold_up_the_end(board: Board) -> None:
    work = Work(reports=False)
    board.start(1, work, "ada")
    assert soon(work.begun)
    assert all(each.daemon for each in threading.enumerate() if each.name == "job")
    work.let_go.set()


def _page() -> None:
    import streamlit as st

    from app.server import jobs

    st.write(f"it is {jobs.result('a question', lambda progress: 42, 'Counting')}")


def test_a_job_that_was_given_up_begins_when_its_reader_says_so() -> None:
    page = AppTest.from_function(_page)
    page.session_state["jobs.given up"] = {"a question"}
    page.run()
    assert not page.exception
    assert page.info[0].value == "Counting: cancelled."
    assert not page.markdown
    page.button[0].click().run()
    assert not page.exception and not page.info
    assert page.markdown[0].value == "it is 42"
