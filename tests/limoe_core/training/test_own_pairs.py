"""Training on your own pairs: what is lowered to fit them, and how a run finds them again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limoe_core import command, evaluate, train
from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.data.source import load_pairs
from limoe_core.presets import preset
from limoe_core.runs import Run, RunError
from limoe_core.training.fitting import LOWERED, Fitted
from limoe_core.training.prepare import Start
from tests.limoe_core.data import own_pairs


@pytest.fixture
def small(tmp_path: Path) -> Config:
    """The preset `debug` on a folder of twelve pictures with captions."""
    source = own_pairs.csv_folder(tmp_path / "things")
    config = preset("debug")
    return replace(
        config,
        model=replace(config.model, layers=1),
        data=DataConfig(path=str(source), dir=str(tmp_path / "data")),
    )


def begin(path: Path, config: Config, lower: tuple[str, ...] = LOWERED, **more: bool) -> Run:
    """Starts a run as training does, and leaves it before the first step."""
    settings = {"resume": False, **more}
    return Start.checked(path, config, mesh="", lower=lower, **settings).written()[0]


def test_batch_and_vocabulary_are_lowered_with_a_sentence(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begin(tmp_path / "run", small)
    train_pictures = run.info["data"]["train_pictures"]
    assert run.config.data.batch_size == train_pictures < 12
    assert 260 < run.config.model.vocab_size < small.model.vocab_size
    assert run.config.model.vocab_size >= run.tokenizer().vocab_size
    said = capsys.readouterr().err
    assert f"a batch is lowered from 256 to {train_pictures} pictures" in said
    assert "the vocabulary is lowered from 4,096 to" in said


def test_what_is_given_is_not_lowered_and_a_start_that_fails_leaves_nothing(
    small: Config, tmp_path: Path
) -> None:
    for lower, words in (
        (("model.vocab_size",), r"batch_size 256 is more than"),
        (("data.batch_size",), r"vocab_size 4096 is more than"),
    ):
        with pytest.raises(ConfigError, match=words):
            begin(tmp_path / "run", small, lower)
    assert not (tmp_path / "run").exists()
    words = ["--data.path", "x", "--data.batch-size=4", "--model.vocab_size", "300"]
    assert command.not_given(LOWERED, words) == []
    assert command.not_given(LOWERED, words[:3]) == ["model.vocab_size"]


def test_a_lowered_batch_can_be_cut_and_shared_out(small: Config) -> None:
    pairs = load_pairs(small.data, "train", progress=False)
    count = len(pairs)
    grouped = replace(small, train=replace(small.train, routing_groups=2))
    lower = ("data.batch_size",)
    assert Fitted.to(pairs, grouped, lower, 1).config.data.batch_size == count // 2 * 2
    assert Fitted.to(pairs, grouped, lower, 4).config.data.batch_size == count // 8 * 8
    wide = replace(small, loss=replace(small.loss, contrastive_block=128))
    assert Fitted.to(pairs, wide, lower, 1).config == wide  # for the batches to refuse


def test_a_batch_is_as_large_as_there_are_pictures_of_few_classes(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals")
    data = replace(small.data, path=str(source), batch_size=8)
    run = begin(tmp_path / "run", replace(small, data=data))
    assert run.config.data.batch_size == 8 > len(own_pairs.CLASSES)
    assert "a batch is lowered" not in capsys.readouterr().err


def test_captions_that_are_all_the_same_are_refused(small: Config, tmp_path: Path) -> None:
    rows = [("file_name", "text"), *((name, "a picture") for name in own_pairs.names())]
    source = own_pairs.table(tmp_path / "same", rows)
    config = replace(small, data=replace(small.data, path=str(source)))
    with pytest.raises(ConfigError, match="captions of the training data are the same text"):
        begin(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_a_run_remembers_where_its_pairs_are(small: Config, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", small)
    assert run.config.data.path == small.data.path
    assert run.info["data"]["name"] == f"imported/{run.config.data.config}:1.1.0"
    shutil.rmtree(tmp_path / "things")  # what is imported is enough
    assert begin(tmp_path / "run", run.config, resume=True).config == run.config
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"--data\.path where the pictures are now"):
        begin(tmp_path / "run", run.config, resume=True)


def test_pairs_that_moved_are_known_by_their_content(small: Config, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", small)
    shutil.rmtree(tmp_path / "data")
    moved = shutil.move(tmp_path / "things", tmp_path / "moved")
    asked = replace(run.config, data=replace(run.config.data, path=str(moved)))
    found = begin(tmp_path / "run", asked, resume=True)
    assert found.config.data.path == str(moved)
    assert found.config.data.config.startswith("moved-")
    (moved / "00.png").write_bytes(own_pairs.picture(99))
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(RunError, match="was trained on imported/moved-"):
        begin(tmp_path / "run", found.config, resume=True)


def test_evaluation_is_told_where_pairs_are(small: Config, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", small)
    own = evaluate._data_config(run.config.data, evaluate.DataOverride())
    assert own == run.config.data
    other = own_pairs.classes_folder(tmp_path / "animals")
    override = evaluate.DataOverride(path=str(other))
    for config in (run.config.data, DataConfig(dir=str(tmp_path / "data"))):
        found = evaluate._data_config(config, override)
        assert (found.name, found.path) == ("imported", str(other))
        assert found.config.startswith("animals-")
    known = evaluate._set_config(own, "cifar100")
    assert (known.name, known.path, known.config) == ("cifar100", None, "auto")


@pytest.mark.training
def test_a_folder_trains_and_is_evaluated(tmp_path: Path) -> None:
    source = own_pairs.classes_folder(tmp_path / "animals")
    run = tmp_path / "runs" / "mine"
    where = ["--data.path", str(source), "--data.dir", str(tmp_path / "data")]
    words = ["--run", str(run), "--preset", "debug", "--train.steps", "4", *where]
    assert train.main(words) == 0
    assert train.main([*words[:-6], "--resume", "--train.steps", "5"]) == 0
    assert evaluate.main(["--run", str(run)]) == 0
    stored = json.loads((run / "evaluations.json").read_text())
    assert "zero_shot_test" in json.dumps(stored)
    assert evaluate.main(["--run", str(run), "--tasks", "linear_probe", "--json"]) == 0
    pairs = load_pairs(Run.open(run).config.data, "test", progress=False)
    assert np.all(pairs.concept < 2)
