"""What JAX compiled is kept on disk, so that the next process starts at once.

JAX finds an entry by the program, the compiler's options and its own version, so no entry is ever
wrong, and several processes may use one folder. What it leaves to others is done here, once at the
start of a process: the folder is bounded (JAX's own limit reads all of it for each new entry), and
what a killed process left half written is deleted (JAX would compile it anew every time).
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from limoe_core import places

#: Bytes; beyond them the entries go that were not read for longest.
LIMIT = 2 << 30

_LOOKED = ".looked-through"
_ZSTD = b"\x28\xb5\x2f\xfd"


def keep_compiled(folder: Path | None = None) -> Path | None:
    """Let JAX keep on disk what it compiles.

    Args:
      folder: by default one in the user's cache that belongs to this host alone, since what is
        compiled for one processor may not run on another. A folder that JAX was given before
        (JAX_COMPILATION_CACHE_DIR) stays as it is.

    Returns:
      where it is kept; None if no folder can be made there, which costs time and nothing else, or
      if JAX was told to keep nothing (JAX_ENABLE_COMPILATION_CACHE=0).
    """
    import jax

    given = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if not jax.config.jax_enable_compilation_cache:  # type: ignore[attr-defined]
        return None
    if given:
        return Path(given)
    if folder is None:
        folder = places.cache("compiled", platform.node() or "here")
    else:
        folder = places.writable(folder)
    if folder is None:
        return None
    tidy(folder)
    # JAX would warn of each entry that a full disk does not take.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder


def tidy(folder: Path, limit: int = LIMIT) -> None:
    """Delete entries that are not whole, and then the oldest until `limit` bytes are left.

    An entry is read once only: those that were there the last time are known to be whole. One that
    another process is writing may go too; that process does not need it any more.
    """
    start, looked = time.time(), folder / _LOOKED
    with suppress(OSError):  # other processes tidy it as well
        before = looked.stat().st_mtime if looked.exists() else 0.0
        found = {entry: entry.stat() for entry in folder.glob("*-cache")}
        for entry, about in list(found.items()):
            if about.st_mtime >= before - 1 and not _is_whole(entry):
                entry.unlink(missing_ok=True)
                del found[entry]
        excess = sum(about.st_size for about in found.values()) - limit
        by_use = sorted(found, key=lambda entry: max(found[entry].st_atime, found[entry].st_mtime))
        for entry in by_use:
            if excess <= 0:
                break
            entry.unlink(missing_ok=True)
            excess -= found[entry].st_size
        looked.touch()
        os.utime(looked, (start, start))


def _is_whole(entry: Path) -> bool:
    packed = entry.read_bytes()
    stream: Any = zlib.decompressobj()
    broken: type[Exception] = zlib.error
    if packed.startswith(_ZSTD):  # which JAX takes where Python has it
        if sys.version_info < (3, 14):
            return True
        from compression import zstd

        stream, broken = zstd.ZstdDecompressor(), zstd.ZstdError
    try:
        stream.decompress(packed)
    except broken:
        return False
    return stream.eof
