"""The Python behind the figures of this page, for one run or two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import analysis


def emergence(path: Path, layer: int, largest: float) -> str:
    """Of the shares with their slider."""
    return (
        analysis.recipe("emergence", path, layer=layer)
        + f"figure.update_yaxes(range=[{-largest!r}, {largest!r}])\n"
    )


def bands(path: Path, layer: int, modality: str, log: bool) -> str:
    """Of one modality's tokens stacked by expert."""
    lines = analysis.recipe("shares over steps", path, layer=layer, modality=modality)
    return lines if log else lines.replace(f"{modality!r})", f"{modality!r}, log=False)")


def timeline(paths: Sequence[Path], layer: int, log: bool) -> str:
    """Of all measures on one time axis."""
    opened = ", ".join(f"Run.open({str(path)!r})" for path in paths)
    return f"""import analysis
from analysis import figures
from limoe_core.runs.directory import Run

runs = [{opened}]
frames = {{run.name: analysis.timeline_frame(run) for run in runs}}
frame = frames[runs[0].name]
figure = figures.timeline_figure(frames, {layer}{"" if log else ", log=False"})
"""
