"""Settings of the host process that save time: freed memory is kept, and what was compiled."""

from __future__ import annotations

import ctypes
import platform
import warnings
from pathlib import Path

from limoe_core import places

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


def keep_compiled(folder: Path | None = None) -> Path | None:
    """Let JAX keep on disk what it compiles, so that the next process starts at once.

    Args:
      folder: by default one in the user's cache that belongs to this host alone, since what is
        compiled for one processor may not run on another. A folder that JAX was given before
        (JAX_COMPILATION_CACHE_DIR) stays.

    Returns:
      where it is kept; None if no folder can be made there, which costs time and nothing else.
    """
    import jax

    given = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if given:
        return Path(given)
    if folder is None:
        folder = places.cache("compiled", platform.node() or "here")
    else:
        folder = places.writable(folder)
    if folder is None:
        return None
    # JAX would warn of each entry that a full disk does not take.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder
