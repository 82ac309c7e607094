"""Locks between processes; they end with the process that holds them, even if it is killed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

#: What file systems without locks answer, as some network file systems do.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


#: Seconds that one who does not wait tries for: `is_held` has a lock for an instant.
_INSTANT = 0.5


class AlreadyLockedError(Exception):
    """Another process, or another lock of this one, holds the file."""


@contextmanager
def locked(file: str | os.PathLike[str], *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on `file`, which is created if missing and stays.

    Where the file system has no locks, go on without one.

    Raises:
      AlreadyLockedError: it is held by another, and `wait` is False.
      OSError: the file cannot be created or opened for writing; its folder must be there.
    """
    # Its fallback would be a marker that outlives a process that is killed on another machine.
    lock = FileLock(file, timeout=-1 if wait else _INSTANT, fallback_to_soft=False)
    # It would make a folder that is missing, and a run that was removed would come back as a shell.
    os.stat(os.path.dirname(os.path.abspath(file)))
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyLockedError(f"{os.fspath(file)} is locked by another process") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


def is_held(descriptor: int) -> bool | None:
    """Whether somebody holds the lock on an open file; None where the file system has no locks.

    It has to be opened for reading only, so that whoever may read a run may ask.

    Raises:
      OSError: the file cannot be asked about.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
