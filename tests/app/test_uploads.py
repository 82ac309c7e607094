"""Uploaded files that no field of a page holds are released."""

from __future__ import annotations

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from app.server import uploads
from app.server.uploads import Sweeper


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(uploads, "time", found)
    monkeypatch.setattr(uploads, "_taken", {})
    return found


@pytest.fixture
def files() -> MemoryUploadedFileManager:
    return MemoryUploadedFileManager("/upload")


def put(files: MemoryUploadedFileManager, session: str, *names: str, size: int = 10) -> None:
    for name in names:
        files.add_file(session, UploadedFileRec(name, name, "image/png", b"x" * size))


def kept(files: MemoryUploadedFileManager) -> set[tuple[str, str]]:
    return {(session, file) for session, found in files.file_storage.items() for file in found}


def test_what_no_field_takes_goes_after_a_while(
    clock: Clock, files: MemoryUploadedFileManager
) -> None:
    sweeper = Sweeper(files)
    put(files, "ada", "taken", "made up")
    uploads._taken["ada"] = frozenset({"taken"})
    assert sweeper.sweep(["ada"]) == 0
    clock.now += uploads.UNTAKEN + 1
    put(files, "ada", "new")
    assert sweeper.sweep(["ada"]) == 1
    assert kept(files) == {("ada", "taken"), ("ada", "new")}
    uploads._taken["ada"] = frozenset()  # the reader went to another page
    sweeper.sweep(["ada"])
    clock.now += uploads.UNTAKEN + 1
    assert sweeper.sweep(["ada"]) == 2
    assert not files.file_storage


def test_files_of_a_session_that_ended_go_as_well(
    clock: Clock, files: MemoryUploadedFileManager
) -> None:
    """One that was under way when the session ended is kept by Streamlit for ever."""
    sweeper = Sweeper(files)
    put(files, "ended", "late")
    uploads._taken["ended"] = frozenset({"late"})
    sweeper.sweep(["ada"])
    clock.now += uploads.UNTAKEN + 1
    assert sweeper.sweep(["ada"]) == 1
    assert not files.file_storage
    assert not uploads._taken


def test_a_session_has_room_for_so_many_files_and_bytes(
    files: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)
    assert uploads.has_room(files, "ada", 100)
    assert not uploads.has_room(files, "ada", 101)
    put(files, "ada", "a", "b", size=40)
    assert uploads.has_room(files, "ada", 20)
    assert not uploads.has_room(files, "ada", 21)
    assert uploads.has_room(files, "bob", 100)
    put(files, "ada", "c", size=1)
    assert not uploads.has_room(files, "ada", 1)
    assert "bob" not in files.file_storage
