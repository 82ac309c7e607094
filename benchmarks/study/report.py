"""The study's page and figures, made of its table alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study.arms import ARMS
from benchmarks.study.claims import LEAST_SEEDS, Table, Verdict, points, verdicts
from benchmarks.study.drawing import Row, figure
from benchmarks.study.statistics import paired
from limoe_core.files import replacing
from limoe_core.trace import MODALITIES

_MARGIN = 2.0
_NONE = "–"
_CLAIM_COLUMNS = (
    "",
    "claim or question",
    "comparison",
    "mean (95 %)",
    "n",
    "p, is it 0",
    "p, beyond the margin",
    "verdict",
)
_ARM_COLUMNS = (
    "arm",
    "n",
    "zero-shot",
    "test_style, top-1 English",
    "test_concept, top-5 English",
    "NMI by layer (step 0; k-means)",
    "collapsed, image / text",
    "dead experts",
    "dropped, image / text",
    "needed, image / text",
    "parameters",
    "minutes",
)
#: Of a layer: its specialisation, and what it is compared with.
_NMI = ("nmi", "nmi_start", "nmi_kmeans")


def write(table: Table, folder: Path) -> None:
    """Writes `README.md`, `zero_shot.svg` and `claims.svg` into the folder, or leaves it alone.

    Nothing is written of a table without lines.
    """
    if not table:
        return
    found = verdicts(table)
    for name, text in {
        "README.md": page(table, found),
        "zero_shot.svg": _arms_figure(table),
        "claims.svg": _claims_figure(table, found),
    }.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def page(table: Table, found: list[Verdict]) -> str:
    """The page, in Markdown."""
    lines = list(table.values())
    hours = sum(line["training"]["seconds"] for line in lines) / 3600
    complete = min(_seeds(table, arm) for arm in ARMS)
    commits = ", ".join(sorted({line["code"][:9] + line["code"][40:] for line in lines}))
    machines = ", ".join(sorted({line["machine"] for line in lines}))
    return f"""# The study

Made by `make study` from `results.jsonl`, which has a line for each run; [plan.md](plan.md) says
what was asked and what decides it.

{len(lines)} runs of {len(ARMS)} arms, {hours:.1f} hours of training in all. Every arm has
{complete} seeds or more; a comparison needs {LEAST_SEEDS}. {_diverged(table)}
Code: {commits}. Machine: {machines}.

## Claims

{_table(_CLAIM_COLUMNS, (_claim(number, each) for number, each in enumerate(found, 1)))}

Both p-values are corrected for all claims (Holm). A question has no claimed direction: *higher* and
*lower* say where its difference lies.

![Differences of zero-shot accuracy by claim](claims.svg)

## Arms

![Zero-shot accuracy by arm](zero_shot.svg)

{_table(_ARM_COLUMNS, (_arm(table, arm) for arm in ARMS if _seeds(table, arm)))}

Numbers are means over seeds, zero-shot with its standard deviation. *Collapsed* counts runs with a
collapsed layer, *dead* experts of both layers, *needed* the share of experts without which the loss
is higher.
"""


def _diverged(table: Table) -> str:
    found = [
        f"`{arm}` with seed {seed} after step {line['training']['last_step']}"
        for (arm, seed), line in sorted(table.items())
        if line["training"]["diverged"]
    ]
    return f"Diverged: {', '.join(found)}." if found else "None diverged."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *rows)
    )


def _claim(number: int, verdict: Verdict) -> list[str]:
    claim, test = verdict.claim, verdict.test
    cells = [str(number), claim.text, claim.formula]
    if test is None:
        cells += [_NONE] * 4
    else:
        cells += [
            f"{test.mean:+.2f} ({test.low:+.2f} to {test.high:+.2f}) {claim.unit}",
            str(test.n),
            f"{verdict.p_different:.2g}",
            f"{verdict.p_equivalent:.2g}",
        ]
    return [*cells, f"**{verdict.text}**"]


def _arm(table: Table, arm: str) -> list[str]:
    lines = [line for (name, _), line in sorted(table.items()) if name == arm]
    own = [points(line) for line in lines]
    spread = f" ± {np.std(own, ddof=1):.1f}" if len(own) > 1 else ""

    def mean(*path: str) -> float:
        return float(np.mean([_at(line, *path) for line in lines]))

    cells = [
        f"`{arm}`",
        str(len(lines)),
        f"{np.mean(own):.1f}{spread}",
        f"{mean('zero_shot', 'test_style', 'top1_en'):.1%}",
        f"{mean('zero_shot', 'test_concept', 'top5_en'):.1%}",
    ]
    if lines[0]["layers"]:
        layers = np.mean(
            [[[each[name] for name in _NMI] for each in line["layers"]] for line in lines], axis=0
        )
        dead = np.mean([sum(each["dead"] for each in line["layers"]) for line in lines])
        needed = [
            np.mean([each[f"needed_{modality}"] for line in lines for each in line["layers"]])
            for modality in MODALITIES
        ]
        collapsed = [
            sum(bool(line["training"]["collapsed"][modality]) for line in lines)
            for modality in MODALITIES
        ]
        cells += [
            ", ".join(f"{a:.2f} ({b:.2f}; {c:.2f})" for a, b, c in layers),
            " / ".join(map(str, collapsed)),
            f"{dead:.1f}",
            " / ".join(f"{mean('training', 'dropped', each):.1%}" for each in MODALITIES),
            " / ".join(f"{each:.0%}" for each in needed),
        ]
    else:
        cells += [_NONE] * 5
    cells += [f"{lines[0]['parameters'] / 1e6:.2f} M", f"{mean('training', 'seconds') / 60:.1f}"]
    return cells


def _at(line: dict[str, Any], *path: str) -> float:
    value: Any = line
    for key in path:
        value = value[key]
    return float(value)


def _seeds(table: Table, arm: str) -> int:
    return sum(name == arm for name, _ in table)


def _arms_figure(table: Table) -> str:
    rows = []
    for arm in ARMS:
        own = [points(line) for (name, _), line in sorted(table.items()) if name == arm]
        if own:
            test = paired(np.array(own), _MARGIN)
            rows.append(Row(arm, own, test.low, test.high))
    return figure(
        rows,
        title="Zero-shot accuracy by arm: seeds, mean, 95 % interval of the mean",
        axis="points",
    )


def _claims_figure(table: Table, found: list[Verdict]) -> str:
    rows = [
        Row(
            f"{number}  {each.claim.formula.replace('`', '').removeprefix('zero-shot: ')}",
            each.claim.values(table).tolist(),
            each.test.low,
            each.test.high,
        )
        for number, each in enumerate(found, 1)
        if each.test is not None and each.claim.measure is points and len(each.claim.weights) == 2
    ]
    return figure(
        rows,
        title="Differences by claim: seeds, mean, 95 % interval; shaded is the margin",
        axis="points of zero-shot accuracy",
        band=(-_MARGIN, _MARGIN),
    )
