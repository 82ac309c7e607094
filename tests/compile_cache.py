"""JAX's compile cache for tests, kept in the virtual environment from one test run to the next.

JAX finds an entry by the program, the compiler's options and its own version, so no entry is ever
wrong. What it leaves to others is done here, once at the start of a test run: bound the folder (its
own limit reads the whole folder again for each new entry), and delete what a killed process left
half written (it would warn of that, and compile anew, every time).
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

#: Bytes; beyond them the folder is emptied. All tests together leave a small part of it.
LIMIT = 1 << 30
#: Seconds that something must take to compile to be kept.
AT_LEAST = 0.1

_FOLDER, _AT_LEAST = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def use() -> None:
    """Give JAX a folder, here and in every process started from here; before JAX is imported.

    A folder that the environment names already stays as it is.
    """
    assert "jax" not in sys.modules, "JAX has read its settings already"
    os.environ.setdefault(_AT_LEAST, str(AT_LEAST))
    if _FOLDER in os.environ:
        return
    folder = of_this_environment()
    if folder is None:  # at least what one process of this test run compiled, the others load
        folder = Path(tempfile.mkdtemp(prefix="jax-tests-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        tidy(folder)
    os.environ[_FOLDER] = str(folder)


def of_this_environment() -> Path | None:
    """Folder in the virtual environment that tests run in; None without one to write to."""
    if sys.prefix == sys.base_prefix:
        return None
    folder = Path(sys.prefix) / "cache" / "jax-tests"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def tidy(folder: Path, limit: int = LIMIT) -> None:
    """Delete entries that are not whole, and all of them where they have grown beyond `limit`."""
    entries = list(folder.glob("*-cache"))
    full = sum(entry.stat().st_size for entry in entries) > limit
    for entry in entries:
        if full or not _is_whole(entry):
            entry.unlink(missing_ok=True)


def _is_whole(entry: Path) -> bool:
    packed = entry.read_bytes()
    if not packed.startswith(b"\x78"):  # not zlib's: JAX takes zstandard where that is installed
        return bool(packed)
    stream = zlib.decompressobj()
    try:
        stream.decompress(packed)
    except zlib.error:
        return False
    return stream.eof
