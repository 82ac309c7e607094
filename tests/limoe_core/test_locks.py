"""Locks between processes: who gets them, who waits, and what a kill leaves."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from limoe_core.locks import AlreadyLockedError, is_held, locked

HOLD = """
    import sys
    from limoe_core.locks import locked
    with locked(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds `tmp_path / "lock"` until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_is_held_is_refused_until_it_is_let_go(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(AlreadyLockedError), locked(tmp_path / "lock", wait=False):
        pass
    holder.communicate("done\n")
    with locked(tmp_path / "lock", wait=False):
        pass


def test_a_killed_holder_leaves_nothing_to_clean_up(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    with locked(tmp_path / "lock", wait=False):
        pass


def test_one_who_waits_gets_it_next(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=0.5)
    holder.kill()
    out, _ = waiting.communicate("done\n", timeout=60)
    assert out == "held\n"


def test_two_locks_in_one_process_are_two_holders(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock"),
        pytest.raises(AlreadyLockedError),
        locked(tmp_path / "lock", wait=False),
    ):
        pass


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, wait: bool
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def without(*_: object) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", without)
    reached = False
    with locked(tmp_path / "lock", wait=wait):
        reached = True
    assert reached


def test_a_folder_that_cannot_be_written_to_is_no_file_system_without_locks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError), locked(tmp_path / "file" / "lock"):
        pass


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "gone" / "lock"):
        pass
    assert not (tmp_path / "gone").exists()


def test_asking_whether_a_lock_is_held_takes_no_lock(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with (tmp_path / "lock").open("rb") as file:
        assert is_held(file.fileno()) is True
        holder.kill()
        holder.wait()
        assert is_held(file.fileno()) is False
        with locked(tmp_path / "lock", wait=False):
            assert is_held(file.fileno()) is True


def test_one_who_asks_all_the_time_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    done = threading.Event()

    def ask() -> None:
        with (tmp_path / "lock").open("rb") as file:
            while not done.is_set():
                is_held(file.fileno())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            with locked(tmp_path / "lock", wait=False):
                pass
    finally:
        done.set()
        asking.join()
