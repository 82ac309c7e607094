"""The report of an evaluation as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """A table of zero-shot accuracy, one of languages, and one of retrieval."""
    results: Mapping[str, Any] = report["results"]
    title = f"{report['run']}, step {report['step']}, {report['data']}"
    zero_shot = {task: r for task, r in results.items() if task.startswith("zero_shot_")}
    if zero_shot:
        yield _zero_shot(title, zero_shot)
        yield _languages(zero_shot)
    retrieval = {task: r for task, r in results.items() if task.startswith("retrieval_")}
    if retrieval:
        yield _retrieval(retrieval)


def percent(estimate: Mapping[str, float]) -> str:
    """`{"value", "low", "high"}` as "41.3 (38.0-44.9)" in percent."""
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f}-{high:.1f})"


def _zero_shot(title: str, results: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"Zero-shot accuracy: {title}",
        caption="percent, with 95 % intervals that resample concepts",
    )
    for column in ("split", "ways", "pictures", "concepts"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for column in ("top-1", "top-5", "top-1, ensemble", "top-1, all languages", "top-5, all"):
        table.add_column(column, justify="right")
    for result in results.values():
        overall = result["mean_over_languages"]
        ensemble = result.get("prompt_ensemble")
        table.add_row(
            result["split"],
            str(result["ways"]),
            str(result["n"]),
            str(result["concepts"]),
            percent(result["top1"]),
            percent(result["top5"]),
            percent(ensemble["top1"]) if ensemble else "",
            percent(overall["top1"]),
            percent(overall["top5"]),
        )
    return table


def _languages(results: Mapping[str, Any]) -> Table:
    table = Table(title="Zero-shot top-1 by language", caption="percent, with 95 % intervals")
    table.add_column("language")
    for result in results.values():
        table.add_column(f"{result['split']}, {result['ways']} ways", justify="right")
    for language in next(iter(results.values()))["languages"]:
        cells = [percent(result["languages"][language]["top1"]) for result in results.values()]
        table.add_row(language, *cells)
    return table


def _retrieval(results: Mapping[str, Any]) -> Table:
    table = Table(
        title="Retrieval, recall at k", caption="percent, in the first language of the data set"
    )
    table.add_column("split")
    table.add_column("pictures × texts", justify="right")
    for way in ("image to text", "text to image"):
        for k in (1, 5, 10):
            table.add_column(f"{way}, R@{k}", justify="right")
    for result in results.values():
        cells = [
            f"{100 * result[way][f'r{k}']['value']:.1f}"
            for way in ("image_to_text", "text_to_image")
            for k in (1, 5, 10)
        ]
        table.add_row(result["split"], f"{result['n']} × {result['texts']}", *cells)
    return table
