"""Locks between processes; they end with the process that holds them, even if it is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

#: What file systems without locks answer, as some network file systems do.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


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
    lock = FileLock(file, blocking=wait, fallback_to_soft=False)
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
