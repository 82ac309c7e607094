"""JSON data for the expert cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.colours import expert_colour, expert_label, text_colour
from app.components.contact_sheet import Sheet
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
    patches: pd.DataFrame,
    words: pd.DataFrame,
    *,
    sheet: Sheet | None,
    chosen: int,
    href: Callable[[int], str],
) -> dict[str, Any]:
    """JSON-ready data of one layer's cards.

    Args:
      roles, patches, words: one layer of `analysis.roles`, and of `patches_of_experts` and
        `words_of_experts` of `analysis.gallery`.
      sheet: the pairs' pictures; None if there are none.
      chosen: the expert that the page looks at more closely.
      href: address of a pair on the page Routing, with a query.
    """
    of_patches = dict(list(patches.groupby("expert"))) if sheet else {}
    of_words = dict(list(words.groupby("expert")))
    used = sorted({int(pair) for pair in patches["pair"]}) if sheet else []
    return {
        "grid": trace.grid,
        "chosen": chosen,
        "pictures": sheet is not None,
        "sheet": asdict(sheet) if sheet else None,
        "pairs": {str(pair): _pair(trace, pair, href(pair)) for pair in used},
        "experts": [
            {
                **_expert(row),
                "patches": _patches(of_patches.get(row["expert"]), trace.grid),
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


def _patches(frame: pd.DataFrame | None, grid: int) -> list[dict[str, Any]]:
    if frame is None:
        return []
    return [
        {
            "pair": int(row["pair"]),
            "box": [int(row[side]) for side in ("x0", "y0", "x1", "y1")],
            "at": list(divmod(int(row["position"]), grid)),
            "token": f"i{int(row['position'])}",
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
        }
        for row in frame.to_dict("records")
    ]
