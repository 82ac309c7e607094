"""Token shares of each expert, step by step, for one run or for several in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.colours import expert_colour, expert_label
from app.components import define

_PLAYER = define(
    "emergence",
    Path(__file__).parent,
    scripts=("../routing/dom", "../routing/saving", "bars", "player"),
)


@dataclass(frozen=True, eq=False)
class Past:
    """A run's shares in one layer."""

    name: str
    shares: pd.DataFrame
    """Rows of one layer of `analysis.shares_over_steps`."""
    file: str
    """Name of saved figures, without step and extension."""


def shares_player(pasts: Sequence[Past], *, title: str, key: str) -> None:
    """Draws the bars of each run, with one slider and one play button for all.

    Moving through the steps happens in the browser. Steps are those of any of the runs; a run
    without a probe at one of them shows the probe before it. While a run grows, the last step is
    followed until the reader moves the slider away from it.

    Args:
      pasts: at least one, all with the same scale.
      title: names the figure in saved files.
    """
    largest = max(float(p.shares[["image_share", "text_share"]].to_numpy().max()) for p in pasts)
    _PLAYER(
        key=key,
        data={
            "title": title,
            "largest": largest,
            "runs": [_of_run(past) for past in pasts],
        },
    )


def _of_run(past: Past) -> Mapping[str, Any]:
    tables = {
        column: past.shares.pivot(index="step", columns="expert", values=column)
        for column in ("image_share", "text_share", "image_tokens", "text_tokens", "role")
    }
    experts = [int(expert) for expert in tables["role"].columns]
    roles = sorted(past.shares["role"].unique())
    return {
        "name": past.name,
        "file": past.file,
        "steps": [int(step) for step in tables["role"].index],
        "experts": [{"label": expert_label(e), "colour": expert_colour(e)} for e in experts],
        "image": np.round(tables["image_share"].to_numpy(), 5).tolist(),
        "text": np.round(tables["text_share"].to_numpy(), 5).tolist(),
        "tokens": {
            modality: tables[f"{modality}_tokens"].to_numpy().tolist()
            for modality in ("image", "text")
        },
        "roles": roles,
        "role": tables["role"].map(roles.index).to_numpy().tolist(),
    }
