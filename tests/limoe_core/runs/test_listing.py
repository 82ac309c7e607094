"""Runs side by side in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from limoe_core.runs import Run, RunError, find_run, list_runs
from tests.limoe_core.runs.examples import DEBUG


def test_runs_are_listed_with_what_is_wrong_with_them(run: Run) -> None:
    folder = run.path.parent
    (folder / "foreign").mkdir()
    (folder / ".cache").mkdir()
    (folder / "notes.txt").write_text("")
    Run.create(folder / "broken", DEBUG)
    (folder / "broken" / "config.json").write_text("{")
    listed = {listing.name: listing.error for listing in list_runs(folder)}
    assert list(listed) == ["a-run", "broken", "foreign"]
    assert listed["a-run"] is None
    assert "damaged" in str(listed["broken"])
    assert "config.json" in str(listed["foreign"])


def test_lists_of_nothing(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(RunError, match="does not exist"):
        list_runs(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be read"):
        list_runs(tmp_path / "file")


@pytest.mark.parametrize("name", ["../secret", "a/b", "..", ".", "", "a\\b", "/etc", "a\0b"])
def test_a_name_from_the_address_bar_stays_in_the_folder(run: Run, name: str) -> None:
    with pytest.raises(RunError, match="name"):
        find_run(run.path.parent, name)
    assert find_run(run.path.parent, "a-run") == run
