"""JSON data for the expert cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.colours import expert_colour, expert_label, text_colour
from app.components.contact_sheet import Sheet
from app.parts import squares
from limoe_core.trace import RoutingTrace

#: Names of the roles of `analysis.roles` on the cards.
ROLE_NAMES = {
    "image": "image expert",
    "text": "text expert",
    "mixed": "mixed",
    "leaning image": "leans to images",
    "leaning text": "leans to text",
    "dead": "dead",
}


def payload(
    trace: RoutingTrace,
    roles: pd.DataFrame,
    patches: pd.DataFrame | None,
    words: pd.DataFrame,
    *,
    sheet: Sheet | None,
    chosen: int,
    href: Callable[[int], str],
) -> dict[str, Any]:
    """JSON-ready data of one layer's cards.

    Args:
      roles, patches, words: one layer of `analysis.roles`, of `analysis.gallery.patches_of_experts`
        and of `analysis.words_of_experts`.
      sheet: the pairs' pictures, or all pictures of a trace that has a table of them; None if there
        are none.
      chosen: the expert that the page looks at more closely.
      href: address of a pair on the page Routing, with a query.
    """
    if patches is None:
        sheet, patches = None, pd.DataFrame({"pair": []})
    of_patches = dict(list(patches.groupby("expert"))) if sheet else {}
    places = _Places(trace, 0 if sheet is None else sheet.size)
    of_words = dict(list(words.groupby("expert")))
    used = sorted({int(pair) for pair in patches["pair"]}) if sheet else []
    return {
        "chosen": chosen,
        "pictures": sheet is not None,
        "sheet": asdict(sheet) if sheet else None,
        "pairs": {str(pair): _pair(trace, pair, href(pair)) for pair in used},
        "experts": [
            {
                **_expert(row),
                "patches": _patches(of_patches.get(row["expert"]), places),
                "words": _words(of_words.get(row["expert"])),
            }
            for row in roles.to_dict("records")
        ],
    }


def _expert(row: dict[Any, Any]) -> dict[str, Any]:
    number = int(row["expert"])
    colour = expert_colour(number)
    return {
        "number": number,
        "label": expert_label(number),
        "colour": colour,
        "ink": text_colour(colour),
        "role": ROLE_NAMES[row["role"]],
        **{
            modality: {
                "share": float(row[f"{modality}_share"]),
                "tokens": int(row[f"{modality}_tokens"]),
            }
            for modality in ("image", "text")
        },
    }


def _pair(trace: RoutingTrace, pair: int, href: str) -> dict[str, Any]:
    name = trace.meta["name"][pair] if "name" in trace.meta else trace.captions[pair]
    facts = [str(trace.meta[key][pair]) for key in ("category", "style") if key in trace.meta]
    return {"name": str(name), "facts": facts, "href": href}


class _Places:
    """Where patches lie on the sheet and in their grids."""

    def __init__(self, trace: RoutingTrace, side: int) -> None:
        self.trace, self.side = trace, side
        self.table = trace.pictures
        if self.table is not None:
            assert trace.picture is not None
            of_image = np.flatnonzero(trace.picture >= 0)
            columns = ("pair", "position", "box")
            found = [getattr(trace, name)[of_image].tolist() for name in columns]
            # By pair, place and box, which two pictures of one pair may share with no harm.
            self.picture = {
                (pair, position, tuple(box)): int(picture)
                for pair, position, box, picture in zip(
                    *found, trace.picture[of_image].tolist(), strict=True
                )
            }

    def of(self, row: dict[Any, Any]) -> dict[str, Any]:
        """The square on the sheet, the box in it, and the cell of the grid."""
        left, top, right, bottom = (int(row[side]) for side in ("x0", "y0", "x1", "y1"))
        box = left, top, right, bottom
        if self.table is None:
            grid = self.trace.grid
            at = [*divmod(int(row["position"]), grid), grid, grid]
            token = f"i{int(row['position'])}"
            return {"cell": int(row["pair"]), "box": list(box), "at": at, "token": token}
        n = self.picture[int(row["pair"]), int(row["position"]), box]
        rows, columns, width, height = (
            int(getattr(self.table, name)[n]) for name in ("rows", "columns", "width", "height")
        )
        placed = squares.placed(box, width, height, self.side)
        at = [*divmod(int(row["position"]), columns), rows, columns]
        number = n - int(np.flatnonzero(self.table.pair == self.table.pair[n])[0])
        token = f"i{number + 1}.{int(row['position'])}" if number else f"i{int(row['position'])}"
        return {"cell": n, "box": [round(edge, 2) for edge in placed], "at": at, "token": token}


def _patches(frame: pd.DataFrame | None, places: _Places) -> list[dict[str, Any]]:
    if frame is None:
        return []
    return [
        {
            "pair": int(row["pair"]),
            **places.of(row),
            "gate": round(float(row["gate"]), 4),
            "dropped": bool(row["dropped"]),
        }
        for row in frame.to_dict("records")
    ]


def _words(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    if frame is None:
        return []
    return [
        {
            "value": str(row["value"]),
            "lift": round(float(row["lift"]), 2),
            "tokens": int(row["tokens"]),
            "total": int(row["total"]),
            "sure": bool(row["weight"] > row["chance"]),
        }
        for row in frame.to_dict("records")
    ]
