"""LIMoE Lens as an installed package.

    from limoe_lens import analysis

`analysis` and `app` are too common as names for the top of somebody's site-packages, so a wheel
holds them, and the runs that ship, in `limoe_lens/lib`. Importing this package makes that folder
the last place where imports are looked for. In a checkout the project's folder takes its place, so
the line above works in both.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "lib"
#: The folder with `analysis`, `app` and `checkpoints`.
HOME = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

if str(HOME) not in sys.path:
    sys.path.append(str(HOME))


def __getattr__(name: str) -> Any:
    if name != "analysis":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # First on the path for this one import: the folder that Python was started in may have a
    # package of the same name.
    sys.path.insert(0, str(HOME))
    try:
        package = importlib.import_module(name)
    finally:
        sys.path.remove(str(HOME))
    if not Path(package.__file__ or "").is_relative_to(HOME):
        raise ImportError(
            f"{name} is already imported from {package.__file__}; import limoe_lens.{name} before "
            "it, in a Python of its own"
        )
    return package


def __dir__() -> list[str]:
    return [*globals(), "analysis"]
