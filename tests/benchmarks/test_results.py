"""Numbers on pages are those that the runs hold, whatever data they were trained on."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import analysis
from benchmarks.results import __main__ as command
from benchmarks.results.gathered import Results, find, split_of
from benchmarks.results.pages import BLOCKS, UnknownBlock, fill, filled, names, pages
from limoe_core.config import Config, DataConfig, ModelConfig
from limoe_core.data.registry import data_set
from limoe_core.evaluation.familiarity import KINDS, NAMED, NEW
from limoe_core.evaluation.table import percent, tables
from limoe_core.evaluation.zero_shot import NameEmbeddings, classify
from limoe_core.presets import dense_twin
from limoe_core.runs import Run, RunError
from tests.analysis.conftest import make_trace
from tests.app.evaluated_runs import some_pairs
from tests.limoe_core.expert_records import record_of
from tests.shipped import FOLDER

STEP = 20
#: Some splits of each set, as each takes a second.
SPLITS = {
    "emoji": ("test_style", "validation"),
    "icons": ("test_set", "test_concept"),
    "emoji+icons": ("emoji_test_style", "icons_test_concept", "validation_style"),
}
_ASKED = "".join(f"<!-- results: {name} -->\n<!-- end -->\n" for name in BLOCKS)


def evaluated(folder: Path, data: str, sharpness: float, *, experts: bool = True) -> Run:
    """A run with answers to splits of its data set, of six concepts in twelve pictures."""
    config = Config(model=ModelConfig(), data=DataConfig(name=data))
    config = config if experts else dense_twin(config)
    run = Run.create(folder, config, data={"name": f"{data}:1"}, parameters=1234)
    for number, split in enumerate(SPLITS[data]):
        class_sets = data_set(config.data).tasks[split]
        pairs = some_pairs(split)
        rng = np.random.default_rng(number)
        embedded = {name: _unit(rng.normal(size=(6, 16))) for name in pairs.concepts.names}
        signal = sharpness * sum(embedded.values())[pairs.concept]
        pictures = _unit(signal + rng.normal(size=(len(pairs), 16)))
        for place, class_set in enumerate(class_sets):
            task = f"zero_shot_{split}" + (f"_{class_set}" if place else "")
            result, answers = classify(
                pictures,
                pairs,
                NameEmbeddings(embedded),
                strata=np.array(["siblings", "siblings", "rest", "rest", "flags", "rest"]),
                familiarity=np.array([KINDS[place % 4] for place in range(6)]),
            )
            if class_set == "all":
                share = {"value": 0.5, "low": 0.4, "high": 0.6}
                result["nearest_picture"] = {"pixels": {"top1": share, "top5": share}}
            common = {"step": STEP, "split": split, "data": pairs.name, "seed": 0}
            run.store_evaluation(task, STEP, {**common, "classes": class_set, **result})
            answers.save(run.path, task, STEP)
    return run


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def made(folder: Path, data: str) -> Results:
    limoe = evaluated(folder / "limoe", data, 2.0)
    twin = evaluated(folder / "dense", data, 0.5, experts=False)
    limoe.save_experts(record_of(make_trace(pairs=12, layers=3, experts=8, grid=8), STEP))
    return Results.of(limoe, twin)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return made(tmp_path_factory.mktemp("runs"), "emoji+icons")


@pytest.fixture(scope="module")
def text(results: Results) -> str:
    """All blocks of these runs."""
    return filled(_ASKED, results)


@pytest.mark.benchmark
@pytest.mark.parametrize("data", ["emoji", "icons"])
def test_runs_of_any_built_in_set_have_every_block(tmp_path: Path, data: str) -> None:
    results = made(tmp_path, data)
    text = filled(_ASKED, results)
    for split in SPLITS[data]:
        assert f"| `{split}` |" in _block(text, "accuracies")
        assert f"- `{split}` among " in _block(text, "objections")
    assert all(_block(text, name).strip() for name in BLOCKS)


def test_the_pages_say_what_the_runs_that_ship_hold() -> None:
    results, found = find(FOLDER), pages(FOLDER.parent)
    assert {"README.md", "results.md"} <= {page.name for page in found}
    for page in found:
        text = page.read_text(encoding="utf-8")
        assert filled(text, results) == text, f"{page}: `make results` writes its numbers"


def test_every_task_and_number_is_that_of_the_evaluation(results: Results, text: str) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in _block(text, "accuracies").splitlines()
        if line.startswith("| `")
    ]
    languages = 2
    assert len(rows) == len(results.tasks) * 2 * languages
    assert {row[0].strip("`") for row in rows} == {*SPLITS["emoji+icons"]}
    every = zip([t for t in results.tasks for _ in range(2 * languages)], rows, strict=True)
    for task, row in every:
        assert row[0].strip("`") == split_of(task)
        k, mean = int(row[4][4]), row[4].endswith("mean of languages")
        for run, cell in zip(results.runs, row[7:9], strict=True):
            stored = run.evaluations()[task][str(STEP)]
            estimate = (stored["mean_over_languages"] if mean else stored)[f"top{k}"]
            assert cell.startswith(f"{100 * estimate['value']:.1f} % (")
        gained = analysis.accuracy_difference(*results.answers[task], None if mean else "en", k)
        assert row[9].strip("*").startswith(f"{100 * gained.value:+.1f} (")
        assert ("**" in row[9]) == (gained.low > 0 or gained.high < 0)


def test_each_number_has_what_speaks_against_it(results: Results, text: str) -> None:
    text = " ".join(_block(text, "objections").split())
    for task in results.tasks:
        assert f"`{split_of(task)}` among " in text
    assert "The nearest of the set's pictures in training in pixels" in text
    style = next(task for task in results.tasks if "test_style" in task)
    answers = results.answers[style][0]
    assert f"It is of {len(set(answers.style))} style" in text
    assert "resampling these and not concepts, its interval is" in text
    known = next(task for task in results.tasks if "test_concept" in task)
    unnamed = results.accuracy(results.limoe, known, "not named in training", 1)
    assert unnamed is not None
    assert f"without them it is {100 * unnamed['value']:.1f} %" in text
    answers = results.answers[known][0]
    right = pd.Series(answers.ranks[0] == 0).groupby(answers.concept).mean()
    for alike in re.findall(r"every concept weighted alike it is ([\d.]+) %", text)[:1]:
        assert alike == f"{100 * right.mean():.1f}"
    new = results.accuracy(results.limoe, known, "familiarity", 1, NEW)
    assert new is not None
    assert f"a word that training never read, it is {100 * new['value']:.1f} % (" in text
    for right, pictures in re.findall(r"(\d+)% of the right answers are to the (\d+)%", text):
        assert int(right) >= int(pictures), "only what is easier than the rest speaks against it"
    assert "no test" in text  # of validation


def test_strata_are_compared_on_their_own_pictures(results: Results, text: str) -> None:
    block = _block(text, "strata")
    (line,) = (
        each
        for each in block.splitlines()
        if f"| {NAMED} |" in each and "top-1" in each and split_of(results.tasks[0]) + "`" in each
    )
    mine, other = results.answers[results.tasks[0]]
    some = mine.familiarity == NAMED
    wanted = (mine.ranks[0, some] < 1).mean() - (other.ranks[0, some] < 1).mean()
    assert f"{100 * wanted:+.1f} (" in line


def test_experts_stand_beside_their_baselines(results: Results, text: str) -> None:
    block = _block(text, "experts")
    baselines = analysis.specialisation_baselines(results.experts)
    for value in baselines.loc[baselines["router"].isin(["step 0", "k-means"]), "nmi"]:
        assert f"| {value:.2f} |" in block
    assert "Of 3 blocks, the trained routers are above" in " ".join(block.split())


def test_no_claim_is_made_of_two_runs_that_answer_alike(results: Results) -> None:
    alike = dataclasses.replace(results, twin=results.limoe)
    asked = "<!-- results: comparison -->\n<!-- end -->"
    text = " ".join(_block(filled(asked, alike), "comparison").split())
    assert "do not show whether LIMoE or its twin is better" in text
    assert re.search(r"intervals of (\d+) include zero, 0 favour", text)


def test_a_page_is_filled_again_and_again_alike(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    asked = "".join(f"<!-- results: {name} -->\n<!-- end -->\n" for name in ("runs", "experts"))
    page.write_text(f"before\n\n{asked}\nafter\n", encoding="utf-8")
    assert fill(page, results)
    assert not fill(page, results)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n")
    assert names(text) == ["runs", "experts"]


def test_an_evaluation_of_sets_with_other_languages_fits_a_terminal(results: Results) -> None:
    stored = {
        task: _with_usual_numbers(by[str(STEP)]) for task, by in results.limoe.evaluations().items()
    }
    for task, result in stored.items():
        if "icons" in task:
            result["languages"] = {"en": result["languages"]["en"]}
    many = {f"{task}_{copy}": result for task, result in stored.items() for copy in range(3)}
    console = Console(width=80, file=io.StringIO())
    for table in tables({"run": "r", "step": STEP, "results": stored | many}):
        console.print(table)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "unnamed" in shown
    for result in stored.values():
        assert percent(result["top1"]) in shown


def test_an_unknown_block_and_runs_without_results_are_sentences(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownBlock, match="no block 'nonsense'; there are runs, "):
        filled("<!-- results: nonsense -->\n<!-- end -->", results)
    bare = Run.create(tmp_path / "bare", Config())
    with pytest.raises(RunError, match="no evaluated step in common"):
        Results.of(bare, results.twin)
    assert command.main(["--limoe", str(bare.path), "--twin", str(results.twin.path)]) == 1
    assert "no evaluated step in common" in capsys.readouterr().err
    assert command.main(["--limoe", str(bare.path)]) == 2
    with pytest.raises(RunError, match="name the LIMoE and its twin"):
        find(tmp_path)


@pytest.mark.parametrize("behind", ["", "By hand.\n<!-- results: twin -->\n<!-- end -->\n"])
def test_what_is_written_by_hand_behind_a_block_without_an_end_stays(
    behind: str, results: Results, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(before := f"<!-- results: runs -->\nBy hand.\n{behind}")
    with pytest.raises(UnknownBlock, match="'runs' has no <!-- end --> of its own"):
        fill(page, results)
    assert page.read_text() == before


def _with_usual_numbers(result: Any) -> Any:
    """A result with estimates as they are of many pictures; of few, they are wider in print."""
    if not isinstance(result, dict):
        return result
    if result.keys() == {"value", "low", "high"}:
        return {"value": 0.303, "low": 0.251, "high": 0.352}
    return {name: _with_usual_numbers(value) for name, value in result.items()}


def _block(text: str, name: str) -> str:
    found = re.search(rf"<!-- results: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found is not None
    return found[1]
