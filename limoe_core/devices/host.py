"""A setting of the host process that saves time: freed memory is kept."""

from __future__ import annotations

import ctypes
import platform

#: Settings of glibc's malloc: name in the environment, number for mallopt, and value.
_SETTINGS = (
    ("MALLOC_MMAP_MAX_", -4, 0),
    ("MALLOC_TRIM_THRESHOLD_", -1, -1),
    ("MALLOC_TOP_PAD_", -2, 64 << 20),
    ("MALLOC_ARENA_MAX", -8, 1),
)

#: The same as `keep_freed_memory`, for the environment of a process that is yet to start.
KEEPING_FREED_MEMORY = {name: str(value) for name, _, value in _SETTINGS}


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
    return all(libc.mallopt(option, value) for _, option, value in _SETTINGS)
