"""A setting of the host process that saves time: freed memory is kept."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8

#: The same as `keep_freed_memory`, for the environment of a process that is yet to start.
KEEPING_FREED_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory instead of returning it to the system.

    XLA on a CPU allocates its large buffers afresh for each step, and glibc maps and unmaps each
    of them, so every page is faulted in again and zeroed: about half of the time of a matrix
    product with a large result. Only for a process that trains: memory stays at its peak.

    Call it before NumPy is imported, whose threads else have an arena of their own by then. XLA's
    threads get one of those that exist, and a buffer that is too large for any but the main one
    is mapped anew in each step.

    Returns:
      Whether there was a glibc to ask.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    wanted = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 64 << 20, _M_ARENA_MAX: 1}
    return all(libc.mallopt(option, value) for option, value in wanted.items())
