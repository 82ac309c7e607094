"""What is measured ends up in the files, and only there."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measure import Line, medians
from benchmarks.version import UNKNOWN, Version, version

ORDER = ("steps", "memory")


def line(name: str, value: float | None = 1.0, **options: object) -> Line:
    return Line(name=name, value=value, how="by hand", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "goal", "bound", "holds"),
    [
        (1.0, 1.1, "at most", True),
        (1.2, 1.1, "at most", False),
        (1.2, 1.1, "at least", True),
        (1.0, 1.1, "at least", False),
        (1.1, 1.1, "at most", True),
        (1.1, 1.1, "at least", True),
        (1.0, None, "at most", None),
        (None, 1.1, "at most", None),
    ],
)
def test_a_goal_holds_on_its_own_side(
    value: float | None, goal: float | None, bound: str, holds: bool | None
) -> None:
    assert line("a", value, goal=goal, bound=bound).holds is holds


def test_new_lines_replace_those_of_their_part_and_leave_the_others() -> None:
    first = report.records([line("ratio", 1.0), line("gone")], "steps", "here")
    other = report.records([line("megabytes")], "memory", "here")
    found = report.merge([], other, ORDER)
    found = report.merge(found, first, ORDER)
    found = report.merge(found, report.records([line("ratio", 2.0)], "steps", "there"), ORDER)
    assert [(r["name"], r["value"], r["machine"]) for r in found] == [
        ("ratio", 2.0, "there"),
        ("megabytes", 1.0, "here"),
    ]


def test_a_line_that_moves_to_another_part_is_there_once() -> None:
    old = report.records([line("a")], "steps", "here")
    new = report.records([line("a", 3.0)], "memory", "here")
    assert [r["value"] for r in report.merge(old, new, ORDER)] == [3.0]


def test_lines_of_parts_that_no_longer_exist_go() -> None:
    old = report.records([line("a")], "forgotten", "here")
    assert report.merge(old, [], ORDER) == []


def test_the_file_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert report.read(path) == []
    found = report.records([line("a ÷ b", 1.23456, goal=1.1), line("c", None)], "steps", "here")
    report.write(path, found)
    assert report.read(path) == found
    assert found[0]["value"] == 1.235
    assert found[0]["holds"] is False
    assert set(found[0]) >= {"name", "value", "goal", "bound", "holds", "how", "machine", "date"}


def test_the_page_has_every_line_under_its_machine() -> None:
    here = report.records(
        [line("a", 1.234, goal=1.1, limit=1.05), line("b", 4321.4, unit="MB")], "steps", "here"
    )
    there = report.records([line("c | d", None, goal=2, bound="at least")], "memory", "there")
    page = report.page([*here, *there], "python -m benchmarks")
    assert "| a | 1.23 | at most 1.1 | no | 1.05 | by hand |" in page
    assert "| b | 4321 MB |  |  |  | by hand |" in page
    assert "| c \\| d | not measured | at least 2 |  |  | by hand |" in page
    assert page.index("## here") < page.index("| a |") < page.index("## there") < page.index("| c ")


def test_medians_take_turns_after_a_warm_up_in_an_order_of_each_round() -> None:
    calls: list[str] = []
    runs = {name: functools.partial(calls.append, name) for name in "abc"}
    found = medians(runs, repeats=20)
    rounds = ["".join(calls[at : at + 3]) for at in range(0, len(calls), 3)]
    assert rounds[0] == "abc" and len(rounds) == 21
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds), "once a round"
    after = {(one, other) for each in rounds[1:] for one, other in itertools.pairwise(each)}
    assert len(after) == 6, "everyone follows everyone else"
    assert set(found) == set("abc") and min(found.values()) >= 0


def test_the_page_says_which_commit_was_measured_and_which_is_older() -> None:
    codes = [Version("a" * 40, "2026-01-02"), Version("b" * 40 + "+", "2026-01-03"), UNKNOWN]
    parts = [report.records([line("x")], "steps", "here", code)[0] for code in codes]
    page = report.page([{**part, "date": "today"} for part in parts], "python -m benchmarks")
    assert "today, commit aaaaaaa, older than others here\n" in page
    assert "today, commit bbbbbbb+\n" in page
    assert "today, an unknown commit, older than others here\n" in page


def test_the_version_is_that_of_the_clone_and_knows_changes(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        by = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+01:00"}
        for role in ("AUTHOR", "COMMITTER"):
            by |= {f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.org"}
        done = subprocess.run(
            ["git", *words], cwd=tmp_path, env={**os.environ, **by}, capture_output=True, text=True
        )
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    code = tmp_path / "code.py"
    assert version(["code.py"], tmp_path) == UNKNOWN
    git("init")
    code.write_text("1")
    git("add", "code.py")
    git("commit", "--message", "one")
    head = git("rev-parse", "HEAD")
    assert version(["code.py"], tmp_path) == (head, "2026-01-02T02:04:05Z")
    (tmp_path / "other").write_text("2")
    assert version(["code.py"], tmp_path).short == head[:7]
    code.write_text("2")
    assert version(["code.py"], tmp_path).short == head[:7] + "+"
