"""What comes from outside: links out of the folder of runs, hostile texts, runs that change."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.components import as_text
from app.parts import messages
from app.server.runs import LONGEST_TEXT, Runs
from limoe_core.runs.directory import Run, RunError
from tests.app.one_page import open_page
from tests.app.test_shell import said

Opened = Callable[..., AppTest]

PAGES = ("routing", "experts", "emergence", "training", "compare", "zero_shot")
MARKUP = "<img src=x onerror=alert(1)>"
TURNED = "invoice\u202egpj.exe"


@pytest.fixture
def folder(runs_folder: Path, tmp_path: Path) -> Path:
    """A folder of the test's own with the run `small`."""
    shutil.copytree(runs_folder / "small", tmp_path / "runs" / "small")
    return tmp_path / "runs"


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Size and times of every file and folder; a folder's change when anything in it comes or goes.

    The times are those of the last change of content and of the last change of anything else.
    """
    found = {}
    for path in (folder, *folder.rglob("*")):
        state = path.lstat()
        found[str(path)] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return found


# ---- within the folder of runs


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "..",
        ".",
        "/etc",
        "small/../../outside",
        "small/",
        "a\\b",
        "",
        "\0",
        "x\u202ey",
    ],
)
def test_a_name_that_leads_elsewhere_opens_nothing(folder: Path, name: str) -> None:
    shutil.copytree(folder / "small", folder.parent / "outside")
    with pytest.raises(RunError):
        Runs.of(folder).open(name)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "..%2Foutside", "~"])
def test_an_address_that_leads_elsewhere_is_answered_with_a_sentence(
    opened: Opened, folder: Path, name: str
) -> None:
    shutil.copytree(folder / "small", folder.parent / "outside")
    page = opened(folder, run=name)
    assert not page.exception
    assert "there is no run" in said(page)
    assert page.selectbox(key="run").value == "small"


def test_a_link_out_of_the_folder_of_runs_is_listed_as_unusable(
    opened: Opened, folder: Path
) -> None:
    shutil.copytree(folder / "small", folder.parent / "outside")
    (folder / "elsewhere").symlink_to(folder.parent / "outside")
    (folder / "twin").symlink_to("small")
    runs = Runs.of(folder)
    assert runs.usable == ("small", "twin"), "a link that stays within is fine"
    assert [each.name for each in runs.broken] == ["elsewhere"]
    assert "leads out of the folder" in str(runs.broken[0].error)
    with pytest.raises(RunError, match="leads out of the folder"):
        runs.open("elsewhere")
    page = opened(folder, run="elsewhere")
    assert not page.exception
    assert "there is no run" in said(page)


@pytest.mark.parametrize(
    ("file", "module"),
    [("metrics.jsonl", "emergence"), ("probes", "experts"), ("probes/20.npz", "routing")],
)
def test_a_part_of_a_run_that_is_a_link_out_of_the_folder_is_not_read_and_said(
    folder: Path, file: str, module: str
) -> None:
    outside = folder.parent / "secret"
    (folder / "small" / file).rename(outside)
    (folder / "small" / file).symlink_to(outside)
    assert Runs.of(folder).usable == ("small",)
    page = open_page(module, folder)
    assert not page.exception
    assert "leads out of the folder" in said(page)


def test_a_config_that_is_a_link_out_of_the_folder_makes_a_run_unusable_and_is_not_quoted(
    folder: Path,
) -> None:
    secret = folder.parent / "secret"
    secret.write_text("root:x:0:0")
    (folder / "small" / "config.json").unlink()
    (folder / "small" / "config.json").symlink_to(secret)
    (reason,) = (str(each.error) for each in Runs.of(folder).broken)
    assert "config.json is, or lies behind, a link that leads out of the folder" in reason
    assert "x:0:0" not in reason


def test_a_folder_of_runs_that_is_itself_a_link_is_where_it_leads(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    assert Runs.of(folder.parent / "link").usable == ("small",)


# ---- nothing is written


@pytest.mark.parametrize("module", PAGES)
def test_opening_a_page_writes_nothing_into_the_folder_of_runs(folder: Path, module: str) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)
    before = snapshot(folder)
    page = open_page(module, folder)
    assert not page.exception
    assert not page.error
    assert snapshot(folder) == before
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


# ---- runs that change while they are shown


@pytest.mark.parametrize("module", PAGES)
def test_a_run_that_is_deleted_while_it_is_shown_is_said(
    folder: Path, runs_folder: Path, module: str
) -> None:
    shutil.copytree(runs_folder / "dense", folder / "other")
    page = open_page(module, folder, run="small")
    assert not page.exception
    shutil.rmtree(folder / "small")
    page.run()
    assert not page.exception
    assert page.selectbox(key="run").value == "other"
    shutil.rmtree(folder / "other")
    page.run()
    assert not page.exception
    assert "There is no run" in said(page)


@pytest.mark.parametrize("module", ["routing", "experts", "emergence"])
def test_a_probe_that_is_damaged_while_it_is_shown_is_said(folder: Path, module: str) -> None:
    page = open_page(module, folder)
    assert not page.exception
    probe = folder / "small" / "probes" / "20.npz"
    probe.write_bytes(probe.read_bytes()[:1000])
    page.run()
    assert not page.exception
    assert "cannot be" in said(page)
    assert "20" in said(page)


@pytest.mark.parametrize("module", PAGES)
def test_a_run_that_lost_its_files_is_said(folder: Path, module: str) -> None:
    page = open_page(module, folder)
    for name in ("probes", "steps"):
        shutil.rmtree(folder / "small" / name)
    (folder / "small" / "metrics.jsonl").write_text('{"step": 1e999}\nnonsense\n[1]\n')
    page.run()
    assert not page.exception
    assert page.info or page.error


def test_a_run_that_grows_shows_its_new_step(folder: Path) -> None:
    page = open_page("experts", folder)
    run = Run.open(folder / "small")
    run.save_probe(30, run.probe(20))
    page.run()
    assert not page.exception
    assert list(page.select_slider(key="step").options)[-1] == "30"


def test_a_run_that_is_replaced_by_another_is_read_anew(folder: Path, runs_folder: Path) -> None:
    page = open_page("experts", folder)
    shutil.rmtree(folder / "small")
    shutil.copytree(runs_folder / "dense", folder / "small")
    page.run()
    assert not page.exception
    assert "dense twin" in said(page)


@pytest.mark.parametrize("trouble", [RunError("it went away."), FileNotFoundError(2, "gone", "x")])
def test_a_file_that_goes_away_in_the_middle_of_a_page_is_said(
    opened: Opened, folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def vanish(run: Run) -> list[int]:
        raise trouble

    monkeypatch.setattr(Run, "probe_steps", vanish)
    page = opened(folder, run="small")
    assert not page.exception
    assert "went away" in said(page) or "could not be read" in said(page)


# ---- hostile texts


def test_a_folder_whose_name_cannot_be_asked_for_is_listed_as_unusable(
    opened: Opened, folder: Path
) -> None:
    for name in (TURNED, "two\nlines", os.fsdecode(b"half-\xff")):
        shutil.copytree(folder / "small", folder / name)
    page = opened(folder)
    assert not page.exception
    assert page.selectbox(key="run").options == ["small"]
    listed = "\n".join(text.value for text in page.sidebar.caption).replace("\\", "")
    assert "invoice[U+202E]gpj.exe" in listed
    assert "\u202e" not in listed
    assert "half-[U+DCFF]" in listed


@pytest.mark.parametrize("module", PAGES)
def test_a_config_with_hostile_values_is_shown_as_text(folder: Path, module: str) -> None:
    path = folder / "small" / "config.json"
    stored = json.loads(path.read_text())
    stored["data"]["name"] = f"{MARKUP}\ud800{TURNED}\x1b[31m" + "x" * 100_000
    path.write_text(json.dumps(stored))
    page = open_page(module, folder)
    assert not page.exception
    line = next(text.value for text in page.sidebar.caption if "experts, top" in text.value)
    assert len(line) < 1000
    assert "\\<img src\\=x" in line, "escaped for Markdown"
    assert not set("\ud800\u202e\x1b") & set(line)


@pytest.mark.parametrize("module", PAGES)
def test_captions_with_hostile_texts_are_shown_as_text(folder: Path, module: str) -> None:
    run = Run.open(folder / "small")
    captions = [MARKUP, TURNED, "half \ud800 of one", "\x00\x1b[31m", "", "x" * 100_000]
    for step in run.probe_steps():
        trace = run.probe(step)
        hostile = np.array(captions)
        meta = {**trace.meta, "category": hostile, "name": hostile}
        run.save_probe(step, dataclasses.replace(trace, captions=hostile, meta=meta))
    page = open_page(module, folder, example="2")
    assert not page.exception
    for element in page.get("bidi_component"):
        assert "\\u202e" not in element.proto.json
        assert "\u202e" not in element.proto.json
        assert "x" * 3000 not in element.proto.json


def test_ten_megabytes_of_typed_text_are_cut_and_it_is_said(folder: Path) -> None:
    page = open_page("routing", folder)
    page.text_input(key="text").set_value(MARKUP + "\0" + "apple " * 1_700_000).run()
    assert not page.exception
    assert f"Only the first {LONGEST_TEXT:,} characters" in said(page)
    assert len(page.text_input(key="text").value) <= LONGEST_TEXT


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("\x1b[31mred", "[U+001B][31mred"),
        ("\ud800", "[U+D800]"),
        ("تفاحة\u200f", "تفاحة\u200f"),
        ("two\nlines", "two lines"),
        ("👩‍🚀", "👩‍🚀"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(text: str, seen: str) -> None:
    assert messages.visible(text) == seen


def test_ten_megabytes_become_a_line() -> None:
    assert len(messages.plain("<" * 10_000_000)) == 300 * 2 - 1


def test_texts_in_the_data_of_a_component_are_cut_and_pictures_are_not() -> None:
    picture = "data:image/png;base64," + "A" * 5000
    data = {
        "a": ["x" * 5000, {"b": "\u202e"}],
        "picture": picture,
        "n": [[1, 2], [3]],
        "none": None,
    }
    shown = as_text(data)
    assert len(shown["a"][0]) == 2000
    assert shown["a"][1] == {"b": "[U+202E]"}
    assert (shown["picture"], shown["n"], shown["none"]) == (picture, [[1, 2], [3]], None)
