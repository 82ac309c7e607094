"""The run directory: made, opened, gone back in, and read without trust."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from limoe_core.runs import Run, RunError
from limoe_core.runs.files import RUN_FORMAT
from limoe_core.tokenizer import Tokenizer
from tests.limoe_core.runs.examples import (
    DEBUG,
    assert_same,
    params_at,
    python,
    shapes,
    small_trace,
)


def test_a_run_opens_as_it_was_made(run: Run) -> None:
    opened = Run.open(str(run.path))
    assert opened == run
    assert opened.name == "a-run"
    assert opened.config == DEBUG
    assert opened.info["data"] == {"name": "emoji/base:1.0.0"}
    assert opened.info["parameters"] == 42
    assert opened.info["seed"] == DEBUG.train.seed
    assert opened.info["format"] == 1
    assert opened.info["versions"]["jax"] == jax.__version__
    assert "T" in opened.info["created"]


def test_a_new_run_is_empty(run: Run) -> None:
    assert run.steps() == run.probe_steps() == run.metrics() == []
    assert run.evaluations() == {}
    assert run.probe_pictures() is None
    with pytest.raises(RunError, match="no checkpoint yet"):
        run.resolve_step()
    with pytest.raises(RunError, match=r"no tokenizer\.model"):
        run.tokenizer()


def test_a_run_is_made_in_missing_and_in_empty_folders(tmp_path: Path) -> None:
    assert Run.create(tmp_path / "deep" / "er", DEBUG).path.is_dir()
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", DEBUG).config == DEBUG
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "empty"]


def test_a_run_is_never_started_over_another(run: Run) -> None:
    with pytest.raises(RunError, match="already.*resume"):
        Run.create(run.path, DEBUG)
    assert Run.create(run.path, DEBUG, exist=True) == run
    other = dataclasses.replace(DEBUG, train=dataclasses.replace(DEBUG.train, seed=1))
    with pytest.raises(RunError, match="other settings"):
        Run.create(run.path, other, exist=True)


def test_a_run_is_never_started_in_a_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("dear reader")
    for exist in (False, True):
        with pytest.raises(RunError, match="not a run"):
            Run.create(tmp_path / "thesis", DEBUG, exist=exist)
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter1.tex"]


@pytest.mark.parametrize("name", ["..", ".hidden", "two\nlines", "tab\tbed"])
def test_names_of_runs_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="name"):
        Run.create(os.path.join(tmp_path, "x", name) if name != ".." else "/", DEBUG)


def test_names_may_be_in_any_script(tmp_path: Path) -> None:
    assert Run.create(tmp_path / "実験 1", DEBUG).name == "実験 1"


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda p: (p / "config.json").unlink(), "no config.json"),
    "empty": (lambda p: (p / "config.json").write_text(""), "damaged"),
    "torn": (
        lambda p: (p / "config.json").write_bytes((p / "config.json").read_bytes()[:200]),
        "damaged",
    ),
    "not text": (lambda p: (p / "config.json").write_bytes(b"\xff\xfe\x00garbage"), "damaged"),
    "deep": (lambda p: (p / "config.json").write_text("[" * 100_000), "damaged"),
    "a list": (lambda p: (p / "config.json").write_text("[1]"), "JSON object.*list"),
    "of another program": (
        lambda p: (p / "config.json").write_text('{"hidden_size": 768}'),
        "not that of a LIMoE Lens run",
    ),
    "a folder": (
        lambda p: ((p / "config.json").unlink(), (p / "config.json").mkdir()),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_config_is_said_in_a_sentence(run: Run, damage: str) -> None:
    harm, words = DAMAGES[damage]
    harm(run.path)
    with pytest.raises(RunError, match=words) as caught:
        Run.open(run.path)
    assert str(run.path) in str(caught.value)


def rewrite(run: Run, **changes: Any) -> None:
    path = run.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_of_a_newer_version_is_refused(run: Run) -> None:
    rewrite(run, format=RUN_FORMAT + 1)
    with pytest.raises(RunError, match="newer version.*update"):
        Run.open(run.path)


def test_a_run_with_unknown_settings_is_refused(run: Run) -> None:
    config = DEBUG.to_dict()
    config["model"]["soft_routing"] = True
    rewrite(run, config=config)
    with pytest.raises(RunError, match="soft_routing"):
        Run.open(run.path)


def test_places_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run at"):
        Run.open(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        Run.open(tmp_path / "file")
    with pytest.raises(RunError, match="not a run"):
        Run.open(tmp_path)


def with_results(run: Run, *steps: int) -> None:
    """Writes to a run all that training, evaluation and analysis keep by step."""
    for step in steps:
        run.append_metrics({"step": step})
        run.save_probe(step, small_trace(step))
        run.store_evaluation("test_style", step, {"top1": step / 100})
        answers = run.path_of("predictions", step, "zero_shot_test-style")
        answers.parent.mkdir(exist_ok=True)
        answers.write_bytes(b"answers")
        run.path_of("causal").mkdir(exist_ok=True)
        measured = run.path_of("causal") / f"causal-{step:020x}.json"
        measured.write_text(json.dumps({"step": step, "data": []}))


def assert_kept(run: Run, steps: list[int]) -> None:
    answers = [int(file.stem.rpartition("-")[2]) for file in (run.path / "predictions").iterdir()]
    measured = [json.loads(file.read_text())["step"] for file in (run.path / "causal").iterdir()]
    assert [line["step"] for line in run.metrics()] == steps
    assert run.probe_steps() == steps
    assert list(map(int, run.evaluations().get("test_style", {}))) == steps
    assert sorted(answers) == sorted(measured) == steps


def test_going_back_forgets_all_that_came_later(run: Run) -> None:
    with_results(run, 0, 5, 10, 15)
    for folder in ("probes", "predictions", "causal"):
        (run.path / folder / ".15.123.npz").write_bytes(b"of a killed writer")
    run.truncate_metrics(10)
    assert_kept(run, [0, 5, 10])
    run.truncate_metrics(-1)
    assert_kept(run, [])


@pytest.mark.parametrize("survives", range(12))
def test_a_rollback_that_is_cut_short_is_made_good_by_the_next(
    run: Run, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    with_results(run, 5, 10, 15)
    remove, replace = Path.unlink, os.replace
    done = 0

    def count(change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done > survives:
                raise KeyboardInterrupt
            return change(*arguments, **options)

        return counted

    with monkeypatch.context() as killed, contextlib.suppress(KeyboardInterrupt):
        killed.setattr(Path, "unlink", count(remove))
        killed.setattr(os, "replace", count(replace))
        run.truncate_metrics(5)
    run.truncate_metrics(5)
    assert_kept(run, [5])


def test_measurements_that_do_not_say_their_step_go_only_where_steps_are_cut(run: Run) -> None:
    with_results(run, 5, 10)
    old = run.path_of("causal") / "causal-of-an-earlier-version.json"
    old.write_text(json.dumps({"data": []}))
    run.truncate_metrics(10)
    assert old.exists()
    run.truncate_metrics(5)
    assert not old.exists()


def test_evaluations_are_kept_by_task_and_step(run: Run) -> None:
    run.store_evaluation("test_style", 10, {"top1": np.float32(0.25)})
    run.store_evaluation("test_style", 20, {"top1": 0.5})
    run.store_evaluation("retrieval", 20, {"r@1": 0.125})
    run.store_evaluation("test_style", 10, {"top1": 0.75})
    assert run.evaluations() == {
        "test_style": {"10": {"top1": 0.75}, "20": {"top1": 0.5}},
        "retrieval": {"20": {"r@1": 0.125}},
    }


def test_two_processes_may_store_at_the_same_time(run: Run) -> None:
    script = """
        import sys
        from limoe_core.runs.directory import Run
        run = Run.open(sys.argv[1])
        print("ready", flush=True)
        sys.stdin.readline()
        for step in range(80):
            run.store_evaluation(sys.argv[2], step, {"top1": step})
    """
    writers = [python(script, run.path, task) for task in ("one", "two")]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    wanted = {str(step): {"top1": step} for step in range(80)}
    assert run.evaluations() == {"one": wanted, "two": wanted}


def test_damaged_evaluations_are_said_in_a_sentence(run: Run) -> None:
    (run.path / "evaluations.json").write_text('{"test_style": {')
    with pytest.raises(RunError, match=r"evaluations\.json is damaged"):
        run.evaluations()


def test_the_tokenizer_comes_back(tmp_path: Path) -> None:
    model = dataclasses.replace(DEBUG.model, vocab_size=274)
    run = Run.create(tmp_path / "run", dataclasses.replace(DEBUG, model=model))
    captions = [
        f"{colour} {thing}" for colour in ("red", "blue", "青い") for thing in ("りんご", "cat")
    ]
    tokenizer = Tokenizer.train(captions, 274)
    run.save_tokenizer(tokenizer)
    texts = ["red cat", "青いりんご", "ねこ 🐈", ""]
    np.testing.assert_array_equal(run.tokenizer().encode(texts, 12), tokenizer.encode(texts, 12))
    (run.path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"tokenizer\.model is damaged"):
        run.tokenizer()


def test_nothing_in_a_run_is_unpickled(run: Run) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {run.path / 'sprung'}",))

    (run.path / "probes").mkdir()
    for name in ("1.npz", "pictures.npz"):
        np.savez(run.path / "probes" / name, pictures=np.array([Trap()], object), header=Trap())
    with pytest.raises(RunError):
        run.probe(1)
    with pytest.raises(RunError):
        run.probe_pictures()
    assert not (run.path / "sprung").exists()


def test_a_run_can_be_read_where_nothing_can_be_written(run: Run) -> None:
    """A copy on a read-only disk is a run like any other."""
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    run.append_metrics({"step": 1})
    run.save_probe(1, small_trace())
    folders = [run.path, *(p for p in run.path.rglob("*") if p.is_dir())]
    before = {p: p.stat().st_mtime_ns for p in folders}
    opened = Run.open(run.path)
    assert_same(opened.restore_params(1, shapes(params_at(1))), params_at(1))
    assert opened.metrics()
    assert opened.probe(1) == small_trace()
    assert {p: p.stat().st_mtime_ns for p in folders} == before
