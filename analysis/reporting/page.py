"""Sections as one HTML file that needs nothing else: no server, no network, no other file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from analysis.characters import seen
from analysis.recipes import python
from analysis.reporting.section import Figure, Section, Table

#: Rows of a table that are shown.
_MOST_ROWS = 200
#: Nothing may be fetched, whatever a run's texts say.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
_STYLE = Path(__file__).with_name("report.css")
_SCRIPT = Path(__file__).with_name("report.js")


def html(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The file's text. All words and names in it are shown as text, whoever wrote them."""
    body: list[str] = []
    drawn: list[dict] = []
    for number, section in enumerate(sections):
        body.append(_section(number, section, drawn))
    contents = "".join(
        f'<li><a href="#s{number}">{_text(section.title)}</a></li>'
        for number, section in enumerate(sections)
    )
    data = json.dumps(drawn, ensure_ascii=False, separators=(",", ":"))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE.read_text()}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_text(title)}</h1>\n<p>{_text(lead)}</p>\n"
        f'<nav aria-label="Sections"><ol>{contents}</ol></nav>\n' + "\n".join(body) + "\n</main>\n"
        # "<" is written so that no text of a run can end the element.
        f'<script type="application/json" id="figures">{data.replace("<", chr(92) + "u003c")}'
        f"</script>\n<script>{get_plotlyjs()}</script>\n<script>{_SCRIPT.read_text()}</script>\n"
        "</body>\n</html>\n"
    )


def _section(number: int, section: Section, drawn: list[dict]) -> str:
    parts = [f'<section id="s{number}">', f"<h2>{_text(section.title)}</h2>"]
    parts += [f"<p>{_text(words)}</p>" for words in section.words]
    for part in section.parts:
        parts.append(_figure(part, drawn) if isinstance(part, Figure) else _table(part))
    return "\n".join([*parts, "</section>"])


def _figure(part: Figure, drawn: list[dict]) -> str:
    place = f"figure{len(drawn)}"
    drawn.append(json.loads(part.figure.value.to_json()))
    height = part.figure.value.layout.height or 360
    return (
        f'<figure><div class="plot" id="{place}" role="img" aria-label="{_text(part.caption)}" '
        f'style="height:{int(height)}px"></div>'
        f"<figcaption>{_text(part.caption)}</figcaption>"
        f"{_code(python(frame=part.frame, figure=part.figure))}</figure>"
    )


def _table(part: Table) -> str:
    frame = part.frame.value
    columns = [name for name in part.columns if name in frame]
    shown = frame[columns].head(_MOST_ROWS)
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    lines = []
    for values in shown.itertuples(index=False, name=None):
        cells = "".join(
            f"<td{' class=n' if _is_number(value) else ''}>{_text(_written(value))}</td>"
            for value in values
        )
        lines.append(f"<tr>{cells}</tr>")
    rest = len(frame) - len(shown)
    more = f" The first {len(shown):,} of {len(frame):,} rows." if rest else ""
    return (
        f'<div class="table"><table><caption>{_text(part.caption + more)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f"{_code(python(frame=part.frame))}"
    )


def _code(lines: str) -> str:
    return (
        f"<details><summary>Python</summary><pre><code>{escape(seen(lines, keep=chr(10)))}"
        "</code></pre></details>"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _written(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        return f"{float(value):.4g}"
    return str(value)


def _text(words: object) -> str:
    return escape(seen(str(words)))
