"""Stamps of files, with which caches notice that a run was written to."""

from __future__ import annotations

from pathlib import Path

from limoe_core.runs.directory import Run


def probe_path(run: Run, step: int) -> Path:
    """File of a step's probe trace."""
    return run.path / "probes" / f"{step}.npz"


def stamp(path: Path) -> tuple[int, int]:
    """Changes when the file does; (0, 0) while there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
