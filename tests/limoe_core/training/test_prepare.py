"""What is checked before a run is written, and what a run that goes on may change."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limoe_core import train as command_line
from limoe_core.config import Config, ConfigError
from limoe_core.data.captions import CaptionCounts
from limoe_core.data.identity import data_of
from limoe_core.data.pairs import ArrayPictures, ConceptTable, PairSet
from limoe_core.runs import Run, RunError
from limoe_core.tokenizer import Tokenizer
from limoe_core.training import room
from limoe_core.training.loop import train
from limoe_core.training.prepare import Start
from limoe_core.training.resume import MAY_CHANGE, changed, settings_to_go_on
from limoe_core.training.room import most_kept
from limoe_core.training.summary import summary
from tests.limoe_core.data.made_up_set import Shapes


def begin(path: Path, config: Config, *, resume: bool = False, mesh: str = "") -> Run:
    """Starts a run as training does, and leaves it before the first step."""
    return Start.checked(path, config, resume=resume, mesh=mesh).written()[0]


def part(config: Config, section: str, /, **settings: Any) -> Config:
    return replace(config, **{section: replace(getattr(config, section), **settings)})


def trained(run: Run, *steps: int, optimizer: bool = True) -> Run:
    """The run as if it had been saved at these steps."""
    for step in steps:
        place = run.path_of("parameters", step)
        (place / "params").mkdir(parents=True)
        (place / "params" / "_METADATA").write_text("{}")
        if optimizer:
            (place / "opt_state").mkdir()
    return run


def test_a_run_is_whole_from_its_first_moment(shapes: Config, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", shapes)
    assert run.tokenizer().vocab_size == shapes.model.vocab_size
    assert run.config.data.config == "plain", "auto is resolved once"
    data = run.info["data"]
    assert data["name"] == f"{Shapes.name}/plain:1"
    assert data["directory"] == shapes.data.dir
    assert data["splits"]["train"]["pictures"] == data["train_pictures"] == 9
    assert len(data["splits"]["validation"]["digest"]) == 32
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


FAILURES: dict[str, tuple[Callable[[Config], Config], str]] = {
    "a batch of more pictures than there are": (
        lambda c: part(c, "data", batch_size=12),
        "batch_size 12 is more than the 9 pictures",
    ),
    "too many pieces": (lambda c: part(c, "model", vocab_size=4096), "vocab_size 4096 is more"),
    "too few pieces": (lambda c: part(c, "model", vocab_size=261), "vocab_size 261 is too small"),
    "a set that is not there": (lambda c: part(c, "data", name="nowhere"), "nowhere is not in"),
}


@pytest.mark.parametrize("failure", sorted(FAILURES))
def test_a_start_that_fails_leaves_nothing_and_the_corrected_one_starts(
    shapes: Config, tmp_path: Path, failure: str
) -> None:
    change, words = FAILURES[failure]
    with pytest.raises(ConfigError, match=words):
        begin(tmp_path / "runs" / "run", change(shapes))
    assert not (tmp_path / "runs").exists()
    assert begin(tmp_path / "runs" / "run", shapes).has("tokenizer")


def test_what_the_machine_lacks_is_said_before_anything_is_written(
    shapes: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="is for 3 devices"):
        begin(tmp_path / "run", shapes, mesh="data=3")
    with monkeypatch.context() as few:
        few.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
        with pytest.raises(ConfigError, match=r"checkpoints of .* MB each, and 0.1 MB are free"):
            begin(tmp_path / "run", shapes)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "tensorboardX", None)
        with pytest.raises(ConfigError, match="pip install tensorboardX"):
            begin(tmp_path / "run", part(shapes, "train", tensorboard=True))
    with pytest.raises(ConfigError, match="--model.attention cudnn needs an NVIDIA GPU"):
        begin(tmp_path / "run", part(shapes, "model", dtype="bfloat16", attention="cudnn"))
    assert not (tmp_path / "run").exists()


def test_a_set_without_validation_pictures_is_refused_before_anything_is_written(
    shapes: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Shapes.load

    def only_train(self: Shapes, config: Any, split: str, **options: Any) -> PairSet:
        return load(self, config, {"validation": "none"}.get(split, split), **options)

    monkeypatch.setattr(Shapes, "load", only_train)
    with pytest.raises(ConfigError, match="no split 'none'"):
        begin(tmp_path / "run", shapes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"steps": 20, "checkpoint_every": 5, "keep_checkpoints": 2}, 3),
        ({"steps": 20, "checkpoint_every": 5, "keep_checkpoints": 0}, 4),
        ({"steps": 22, "checkpoint_every": 5, "keep_checkpoints": 1, "keep_period": 10}, 4),
        ({"steps": 3, "checkpoint_every": 5, "keep_checkpoints": 3}, 1),
    ],
)
def test_the_most_checkpoints_that_are_there_at_a_time(settings: Any, most: int) -> None:
    config = part(Config(), "train", **settings)
    assert most_kept(config) == most
    # The first one, of trained parameters, counts where it is kept or there were too few.
    kept = most + (not settings["keep_checkpoints"] or "keep_period" in settings or most == 1)
    assert most_kept(config, with_start=True) == kept


# ---- a run that is there already


def test_a_start_that_was_cut_short_starts_anew_with_other_settings(
    shapes: Config, tmp_path: Path
) -> None:
    begin(tmp_path / "run", shapes).append_metrics({"step": 1, "loss": 3.0})
    again = begin(tmp_path / "run", part(shapes, "model", experts=2, vocab_size=280))
    assert again.config.model.experts == 2
    assert again.tokenizer().vocab_size == 280
    assert begin(tmp_path / "run", again.config, resume=True).config == again.config


def test_a_run_with_a_checkpoint_or_longer_than_one_is_never_started_over(
    shapes: Config, tmp_path: Path
) -> None:
    trained(begin(tmp_path / "saved", shapes), 5)
    begin(tmp_path / "logged", shapes).append_metrics({"step": 6, "loss": 3.0})
    for name in ("saved", "logged"):
        with pytest.raises(RunError, match="is a run already; resume it"):
            begin(tmp_path / name, shapes)


def test_a_run_that_is_being_trained_is_never_started_over(shapes: Config, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", shapes)
    with run.held_for_training(), pytest.raises(RunError, match="trained by another process"):
        begin(tmp_path / "run", part(shapes, "model", experts=2))
    assert Run.open(run.path) == run


def test_options_that_make_no_other_model_are_honoured(
    shapes: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    asked = part(run.config, "train", steps=40, log_every=7, keep_checkpoints=9, probe_every=3)
    asked = part(asked, "data", dir=str(tmp_path / "elsewhere"))
    capsys.readouterr()
    again = begin(run.path, asked, resume=True)
    assert again.config == Run.open(run.path).config == asked
    assert again.info["data"]["directory"] == str(tmp_path / "elsewhere")
    assert again.info["created"] == run.info["created"]
    told = capsys.readouterr().err
    assert "trains for 40 steps instead of 20: from here on the learning rate is that of" in told
    assert "--train.log-every 7" in told
    for name in changed(run.config, asked):
        assert name in MAY_CHANGE


@pytest.mark.parametrize(
    ("section", "settings", "words"),
    [
        ("model", {"experts": 8}, r"cannot go on with --model\.experts 8 \(it has 4\);"),
        ("data", {"batch_size": 4}, r"--data\.batch-size 4 \(it has 8\)"),
        ("optimizer", {"name": "muon"}, r"--optimizer\.name muon \(it has adamw\)"),
        ("train", {"seed": 3}, r"--train\.seed 3 \(it has 0\)"),
        ("train", {"steps": 4}, r"--train\.steps 4 is fewer than the 5 steps"),
        ("data", {"config": "glossy"}, r"--data\.config glossy \(it has plain\)"),
    ],
)
def test_options_that_make_another_run_are_refused_by_name(
    shapes: Config, tmp_path: Path, section: str, settings: Any, words: str
) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    before = (run.path / "config.json").read_text()
    with pytest.raises(ConfigError, match=words):
        begin(run.path, part(run.config, section, **settings), resume=True)
    assert (run.path / "config.json").read_text() == before


def test_every_setting_is_honoured_or_refused(shapes: Config, tmp_path: Path) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    names = {f"{p}.{n}" for p, values in shapes.to_dict().items() for n in values}
    assert names >= MAY_CHANGE
    assert settings_to_go_on(run, run.config) == run.config


def test_data_with_other_content_is_refused(
    shapes: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    before = (run.path / "config.json").read_text()
    elsewhere = part(run.config, "data", dir=str(tmp_path / "elsewhere"))
    load = Shapes.load

    def repainted(self: Shapes, config: Any, split: str, **options: Any) -> PairSet:
        pairs = load(self, config, split, **options)
        pictures = ArrayPictures(pairs.pictures.batch(np.arange(len(pairs))) // 2)
        return replace(pairs, pictures=pictures)

    monkeypatch.setattr(Shapes, "load", repainted)
    with pytest.raises(RunError) as refused:
        begin(run.path, elsewhere, resume=True)
    told = str(refused.value)
    for words in ("run was trained on made_up_shapes/plain:1", str(shapes.data.dir)):
        assert words in told
    assert str(tmp_path / "elsewhere") in told
    assert told.count("9 pictures, content ") == 2
    assert (run.path / "config.json").read_text() == before


def test_runs_of_earlier_versions_are_compared_by_name(shapes: Config, tmp_path: Path) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    path = run.path / "config.json"
    info = json.loads(path.read_text())
    info["config"]["data"]["config"] = "auto"
    info["data"] = {"name": f"{Shapes.name}/plain:1", "train_pictures": 9}
    path.write_text(json.dumps(info))
    assert data_of(Run.open(path.parent)).config == "plain"
    again = begin(run.path, Run.open(run.path).config, resume=True)
    assert again.info["data"] == run.info["data"], "from now on it knows more"
    info["data"]["train_pictures"] = 8
    path.write_text(json.dumps(info))
    with pytest.raises(RunError, match=r"trained on made_up_shapes/plain:1 \(8 pictures\)"):
        begin(run.path, Run.open(run.path).config, resume=True)


def test_a_shipped_run_is_not_resumed(shapes: Config, tmp_path: Path) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5, optimizer=False)
    assert run.is_shipped
    with pytest.raises(RunError, match="step 5 without its optimizer's state: it can be used"):
        begin(run.path, part(run.config, "train", steps=40), resume=True)
    assert Run.open(run.path).config.train.steps == 20


def test_a_finished_run_says_that_nothing_is_left_to_do(
    shapes: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(begin(tmp_path / "run", shapes), 20)
    shutil.rmtree(str(shapes.data.dir))  # the data is not even looked for
    capsys.readouterr()
    assert train(run.path, run.config, resume=True) == run
    assert "trained to its last step, 20, so nothing is left to do" in capsys.readouterr().err
    assert command_line.main(["--run", str(run.path), "--resume"]) == 0


def test_the_command_line_of_a_resumed_run_is_told_apart_from_its_settings(
    shapes: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(begin(tmp_path / "run", shapes), 5)
    options = ["--run", str(run.path), "--resume"]
    for more, words in [
        (["--model.experts", "8"], "with --model.experts 8 (it has 4);"),
        (["--preset", "emoji-tiny"], "--preset emoji-tiny does not fit run, which has"),
        (["--train.steps", "3"], "--train.steps 3 is fewer than"),
        (["--mesh", "data=9"], "is for 9 devices"),
    ]:
        assert command_line.main([*options, *more]) == 1
        assert words in capsys.readouterr().err


# ---- what is said at the start


def captioned(*texts: str) -> PairSet:
    count = len(texts)
    return PairSet(
        name="said/1.0.0",
        split="train",
        pictures=ArrayPictures(np.zeros((count, 72, 72, 4), np.uint8)),
        concept=np.arange(count, dtype=np.int32),
        style=np.full(count, ""),
        category=np.full(count, ""),
        concepts=ConceptTable(
            keys=np.array([str(i) for i in range(count)]),
            names={"en": np.array(texts)},
            aliases=[()] * count,
            category=np.full(count, ""),
        ),
    )


def test_captions_that_are_cut_to_the_same_are_a_warning(tmp_path: Path) -> None:
    words = "the quick brown fox jumps over a lazy dog and runs far away from here " * 3
    pairs = captioned(*(f"{words}number {i}" for i in range(12)), "a fox", "a fox", "")
    tokenizer = Tokenizer.train(pairs.captions(), 300)
    counts = CaptionCounts.of(pairs, tokenizer, 16)
    assert (counts.captions, counts.different, counts.empty) == (15, 14, 1)
    assert (counts.cut, counts.merged) == (12, 12)
    assert counts.longest > 40
    told = "\n".join(summary("r", Config(), {"train": pairs, "validation": pairs}, counts))
    assert "15 captions are 14 different ones; 1 is empty, and 12 are longer than 16" in told
    assert "warning: cutting makes 12 of 14 different captions equal" in told
    assert f"the longest has {counts.longest} tokens: set --model.text-length" in told
    enough = CaptionCounts.of(pairs, tokenizer, counts.longest)
    assert (enough.cut, enough.merged) == (0, 0)
    said = summary("r", Config(), {"train": pairs, "validation": pairs}, enough)
    assert not any("warning" in line for line in said)


def test_one_picture_is_not_called_pictures() -> None:
    two, one = captioned("a fox", "a dog"), captioned("a cat")
    counts = CaptionCounts(2, 2, 0, 0, 3, 0, 16, concepts=2)
    told = summary("r", Config(), {"train": two, "validation": one}, counts)[0]
    assert "2 pictures of 2 concepts" in told and "1 picture of train to look at" in told


def test_damaged_records_are_named_at_the_start() -> None:
    pairs = replace(captioned("a fox", "a dog"), damaged={3: "It is cut off.", 8: "Empty."})
    counts = CaptionCounts(2, 2, 0, 0, 3, 0, 16, concepts=2)
    told = summary("r", Config(), {"train": pairs, "validation": pairs}, counts)
    assert told[2] == (
        "warning: records of train that are left out, as their picture cannot be read: 2 (3, 8). "
        "Of the first: It is cut off."
    )
