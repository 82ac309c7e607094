"""A setting of the host process that saves time: freed memory is kept."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory instead of returning it to the system.

    XLA on a CPU allocates its large buffers afresh for each step, and glibc maps and unmaps each
    of them, so every page is faulted in again and zeroed: about half of the time of a matrix
    product with a large result. Only for a process that trains, before it starts JAX: memory stays
    at its peak, and threads share one arena, since glibc maps what is too large for a thread's own.

    Returns:
      Whether there was a glibc to ask.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL("libc.so.6")
    wanted = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 64 << 20, _M_ARENA_MAX: 1}
    return all(libc.mallopt(option, value) for option, value in wanted.items())
