"""The report of an evaluation as tables that fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table

from limoe_core.trace import MODALITIES

#: Splits that fit side by side.
_MOST = 5


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """Tables of zero-shot accuracy, of retrieval and of linear probes; a column for each task.

    Each data set has tables of its own, since the languages of its names are its own, and so have
    the splits of either part of a joint set.
    """
    for prefix, draw in (
        ("zero_shot_", _zero_shot),
        ("retrieval_", _retrieval),
        ("linear_probe", _linear_probe),
    ):
        alike: dict[tuple[str, tuple[str, ...]], list[tuple[str, Any]]] = {}
        for task, result in report["results"].items():
            if task.startswith(prefix):
                languages = tuple(result.get("languages", ()))
                alike.setdefault((result["data"], languages), []).append((task, result))
        for (data, _), results in alike.items():
            for start in range(0, len(results), _MOST):
                some = dict(results[start : start + _MOST])
                yield draw(f"{report['run']}, step {report['step']}, {data}", some)
    if "experts" in report:
        yield _experts(f"{report['run']}, step {report['step']}", report["experts"])


def percent(estimate: Mapping[str, float]) -> str:
    """`{"value", "low", "high"}` as "41.3 38–45": percent, and the ends of its interval."""
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:.1f} {low:.0f}–{high:.0f}"


def _table(title: str, first: str, results: Mapping[str, Any]) -> Table:
    kinds = {result.get("resampled", "concepts") for result in results.values()}
    intervals = {
        "concepts": "intervals that resample concepts",
        "pictures": "intervals over pictures",
        "draws": "intervals over draws of the examples",
    }
    table = Table(
        title=title,
        caption="percent, with 95 % " + " or ".join(intervals[kind] for kind in sorted(kinds)),
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column(first, no_wrap=True)
    for result in results.values():
        # Names of splits break where words do, as five of them do not fit side by side.
        table.add_column(result["split"].replace("_", "\n"), justify="right", no_wrap=True)
    return table


def _zero_shot(title: str, results: Mapping[str, Any]) -> Table:
    table = _table(f"Zero-shot accuracy: {title}", "", results)

    def row(name: str, cells: Iterator[str], last: bool = False) -> None:
        table.add_row(name, *cells, end_section=last)

    values = list(results.values())
    row("classes", (f"{r['ways']:,}" for r in values))
    row("pictures", (f"{r['n']:,}" for r in values))
    row("concepts", (f"{r['concepts']:,}" for r in values), last=True)
    language = values[0]["headline_language"]
    row(f"top-1 {language}", (percent(r["top1"]) for r in values))
    row(f"top-5 {language}", (percent(r["top5"]) for r in values))
    if all("chance" in r for r in values):
        row("  guessing", (f"{100 * r['chance']['top1']:.1f}" for r in values))
    for features, called in (("pixels", "pixels"), ("hog_colour", "HOG, colour")):
        if any("nearest_picture" in r for r in values):
            found = (r.get("nearest_picture", {}).get(features) for r in values)
            row(f"  nearest: {called}", (percent(f["top1"]) if f else "" for f in found))
    if all("prompt_ensemble" in r for r in values):
        row("  ensemble", (percent(r["prompt_ensemble"]["top1"]) for r in values))
    if any("not_named" in r for r in values):
        found = (r.get("not_named") for r in values)
        row("  unnamed in training", (percent(f["top1"]) if f else "" for f in found))
    row("  ceiling", (f"{100 * r['ceiling']:.1f}" for r in values), last=True)
    if len(values[0]["languages"]) == 1:
        return table
    row("top-1 mean", (percent(r["mean_over_languages"]["top1"]) for r in values))
    row("top-5 mean", (percent(r["mean_over_languages"]["top5"]) for r in values), last=True)
    for language in values[0]["languages"]:
        row(f"top-1 {language}", (percent(r["languages"][language]["top1"]) for r in values))
    return table


def _retrieval(title: str, results: Mapping[str, Any]) -> Table:
    values = list(results.values())
    table = _table(f"Retrieval: {title}", f"in {values[0]['headline_language']}", results)
    table.add_row("pictures", *(f"{r['n']:,}" for r in values))
    table.add_row("texts", *(f"{r['texts']:,}" for r in values), end_section=True)
    for way in ("image_to_text", "text_to_image"):
        for k in (1, 5, 10):
            name = f"{way.replace('_', ' ')} R@{k}"
            table.add_row(name, *(percent(r[way][f"r{k}"]) for r in values))
            if all("chance" in r for r in values):
                found = (f"{100 * r['chance'][way][f'r{k}']:.1f}" for r in values)
                table.add_row("  guessing", *found)
    return table


def _linear_probe(title: str, results: Mapping[str, Any]) -> Table:
    values = list(results.values())
    table = _table(f"Linear probe: {title}", "", results)
    table.add_row("classes", *(f"{r['ways']:,}" for r in values))
    table.add_row("pictures", *(f"{r['n']:,}" for r in values))
    table.add_row("examples of each class", *(f"{r['shots']}" for r in values))
    table.add_row("draws", *(f"{r['draws']}" for r in values), end_section=True)
    table.add_row("top-1", *(percent(r["top1"]) for r in values))
    table.add_row("  guessing", *(f"{100 / r['ways']:.1f}" for r in values))
    return table


def _experts(title: str, record: Mapping[str, Any]) -> Table:
    splits = ", ".join(f"{n:,} of {name}" for name, n in record["splits"].items())
    table = Table(
        title=f"Experts: {title}, {record['data']}",
        caption=f"{record['pairs']:,} pairs ({splits}), {record['group']} at a time at training's "
        "capacity; intervals, nulls and baselines: the dashboard's Experts page",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for name in ("block", "modality", "dropped", "entropy of a token, nats", "largest share"):
        table.add_column(name, justify="left" if name == "modality" else "right")
    for layer in record["layers"]:
        for modality in MODALITIES:
            found = layer[modality]
            table.add_row(
                str(layer["layer"]),
                modality,
                f"{found['dropped']:.1%}",
                f"{found['token_entropy']:.3f}",
                f"{found['largest_share']:.1%}",
            )
    return table
