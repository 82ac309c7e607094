"""A source of pairs as it is imported: its settings, its records, its report."""

from __future__ import annotations

from pathlib import Path

from limoe_core.config import DataConfig
from limoe_core.data.importing.dataset import ImportedSet
from limoe_core.data.importing.recognising import place_of, recognise
from limoe_core.data.importing.records import Problem, Record
from limoe_core.data.importing.report import Report
from limoe_core.data.pairs import PairSet
from limoe_core.data.source import load_pairs, make_ready, resolved


def settings(source: Path, **more: str) -> DataConfig:
    """Settings of a source, with a data directory beside it."""
    return resolved(DataConfig(path=str(source), dir=str(source.parent / "data"), **more))


def imported(source: Path, **more: str) -> tuple[DataConfig, Report]:
    config = settings(source, **more)
    chosen = make_ready(config, progress=False)
    assert isinstance(chosen, ImportedSet)
    return config, chosen.report(config)


def records(source: Path, **columns: str) -> list[Record | Problem]:
    sources = recognise(place_of(source, **columns))
    return [found for each in sources for found in each.records()]


def texts(source: Path, **columns: str) -> list[list[tuple[str, str]]]:
    """Languages and captions of each picture."""
    return [
        [(caption.language, caption.text) for caption in record.captions]
        for record in records(source, **columns)
        if isinstance(record, Record)
    ]


def all_splits(config: DataConfig, report: Report) -> dict[str, PairSet]:
    return {split: load_pairs(config, split, progress=False) for split in report.splits}
