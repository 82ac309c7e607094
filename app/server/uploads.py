"""Uploaded files that no widget takes, released.

Streamlit keeps what is put to its upload address until the session ends, whether or not a field
of a page ever takes it. Pages note which files their fields hold after each run of the script;
the others go after a while, and a session may have so many at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

#: Files and bytes that a session may have on the server at a time.
MOST_FILES, MOST_BYTES = 64, 256 << 20
#: Seconds that a file may lie untaken: between its upload and the run of the script that takes it.
UNTAKEN = 60.0

_taken: dict[str, frozenset[str]] = {}
"""Files that the fields of a session hold."""


def note_taken() -> None:
    """Note which files the fields of this session hold; at the end of each run of the script."""
    context = get_script_run_ctx()
    if context is None:
        return
    held = frozenset(_held(st.session_state[key] for key in list(st.session_state)))
    if held:
        _taken[context.session_id] = held
    else:
        _taken.pop(context.session_id, None)


def has_room(files: MemoryUploadedFileManager, session: str, size: int) -> bool:
    """Whether a session may upload `size` bytes more."""
    before = list(files.file_storage.get(session, {}).values())
    return len(before) < MOST_FILES and sum(len(f.data) for f in before) + size <= MOST_BYTES


class Sweeper:
    """Removes files that lie untaken; to be called now and then.

    Args:
      files: Streamlit's own, for all sessions.
    """

    def __init__(self, files: MemoryUploadedFileManager) -> None:
        self._files = files
        self._untaken_since: dict[tuple[str, str], float] = {}

    def sweep(self, sessions: Iterable[str]) -> int:
        """Removes what lay untaken for too long, and returns how many files that were.

        Args:
          sessions: those that are open; files of others are nobody's.
        """
        now = time.monotonic()
        opened = set(sessions)
        for gone in _taken.keys() - opened:
            _taken.pop(gone, None)
        untaken = {
            (session, file)
            for session, files in list(self._files.file_storage.items())
            for file in list(files)
            if file not in _taken.get(session, ())
        }
        self._untaken_since = {each: self._untaken_since.get(each, now) for each in untaken}
        late = [each for each, since in self._untaken_since.items() if now - since > UNTAKEN]
        for session, file in late:
            self._files.remove_file(session, file)
        for session in [s for s, files in self._files.file_storage.items() if not files]:
            self._files.remove_session_files(session)
        return len(late)


def _held(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, UploadedFile):
            yield value.file_id
        elif isinstance(value, list):
            yield from _held(value)
