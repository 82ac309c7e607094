"""File stamps, by which caches notice that a run has changed."""

from __future__ import annotations

from pathlib import Path

from limoe_core.runs.directory import Run


def probe_path(run: Run, step: int) -> Path:
    """File of a step's probe trace."""
    return run.path / "probes" / f"{step}.npz"


def stamp(path: Path) -> tuple[int, int]:
    """Modification time (ns) and size of a file; (0, 0) if there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
