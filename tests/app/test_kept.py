"""What the server keeps, bounded by its bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.server import recorded
from app.server.kept import Kept
from limoe_core.runs import Run


def test_what_was_used_last_is_kept_up_to_so_many_bytes() -> None:
    kept: Kept[bytes] = Kept(10, len)
    made: list[str] = []

    def get(name: str, size: int) -> None:
        kept.get(name, lambda: made.append(name) or bytes(size))  # type: ignore[func-returns-value]

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name, 4)
    assert made == ["a", "b", "c", "b"], "b was used longest ago when c came"
    get("large", 11)
    get("large", 11)
    assert made[-2:] == ["large", "large"], "more than there is room for is made each time"


def test_what_cannot_be_made_is_tried_again() -> None:
    kept: Kept[int] = Kept(10, lambda each: each)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 3) == 3


def test_probe_pairs_are_read_once_while_the_run_stays_as_it_is(
    runs_folder: Path, tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "small"))
    first = recorded.probe_pairs(run)
    assert recorded.probe_pairs(run).value is first.value
    pictures = run.probe_pictures()
    assert pictures is not None
    run.save_probe_pictures(255 - pictures)
    again = recorded.probe_pairs(run)
    assert again.key != first.key
    np.testing.assert_array_equal(again.value[0][0], 255 - first.value[0][0])
