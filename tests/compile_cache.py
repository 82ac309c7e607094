"""JAX's compile cache for tests, kept in the virtual environment from one test run to the next.

It is kept as that of training and of the dashboard is: see `limoe_core.devices.compiled`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from limoe_core.devices.compiled import tidy

#: Bytes. All tests together leave a small part of it.
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
        tidy(folder, LIMIT)
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
