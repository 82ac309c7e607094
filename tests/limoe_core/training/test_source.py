"""Which runs can start from which, and where a new run's settings come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import limoe_core
from limoe_core import command
from limoe_core import train as command_line
from limoe_core.config import Config, ConfigError, DataConfig
from limoe_core.presets import dense_twin, preset
from limoe_core.runs import Run, RunError
from limoe_core.runs.origin import Origin
from limoe_core.training.fitting import LOWERED
from limoe_core.training.loop import train
from limoe_core.training.prepare import Start
from limoe_core.training.source import Source
from tests.conftest import ROOT
from tests.limoe_core.data import own_pairs
from tests.limoe_core.devices.test_mesh import finish, free_port
from tests.limoe_core.training.trained import part, started, trained_parameters, trained_run


@pytest.fixture
def source(shapes: Config, tmp_path: Path) -> Run:
    return trained_run(tmp_path / "source", shapes, 3, 7)


def begin(path: Path, config: Config, **options: Any) -> Run:
    """Starts a run as training does, and leaves it before the first step."""
    options = {"resume": False, "mesh": "", **options}
    return Start.checked(path, config, **options).written()[0]


def test_a_step_of_a_run_is_named(source: Run, tmp_path: Path) -> None:
    assert Source.named(source.path).step == 7
    assert Source.named(f"{source.path}@3").step == 3
    with pytest.raises(RunError, match="no step 4; it has 3, 7"):
        Source.named(f"{source.path}@4")
    with pytest.raises(RunError, match="there is no run at"):
        Source.named(tmp_path / "nothing@3")
    source.path.rename(tmp_path / "run@3")
    assert Source.named(tmp_path / "run@3").step == 7
    assert Source.named(tmp_path / "run@3@3").step == 3


# ---- models that fit

DENSE: dict[str, Any] = {"experts": 0}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "width": ({}, {"width": 64}, r"from source with --model\.width 64 \(it has 32\); leave such"),
    "heads": ({}, {"heads": 4}, r"--model\.heads 4 \(it has 2\)"),
    "patches": ({}, {"patch_size": 16}, r"--model\.patch-size 16 \(it has 8\)"),
    "two": ({}, {"layers": 2, "embed_dim": 8}, r"--model\.layers 2 .*, --model\.embed-dim 8"),
    "pieces": ({}, {"vocab_size": 280}, r"--model\.vocab-size 280 is not the 290 pieces of source"),
    "more experts": ({}, {"experts": 8}, r"block 1 has 4 experts there, and --model\.experts 8"),
    "no experts": ({}, {"experts": 0}, "block 1 is a mixture of 4 experts there"),
    "shared": (
        DENSE,
        {"experts": 4, "shared_dim": 8},
        "a shared expert of 8 channels and has none",
    ),
    "hidden": (DENSE, {"experts": 4, "expert_dim": 8}, "experts of hidden width 8 and has 64"),
    "MLP": (DENSE, {"mlp_dim": 32}, r"an MLP of hidden width 32 and has 64 there \(--model\.mlp"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_model_that_cannot_start_from_another_is_refused_by_name(
    shapes: Config, tmp_path: Path, case: str
) -> None:
    trained, asked, words = REFUSED[case]
    source = trained_run(tmp_path / "source", part(shapes, "model", **trained), 7)
    config = part(source.config, "model", **asked)
    with pytest.raises(ConfigError, match=words):
        begin(tmp_path / "new", config, init_from=source.path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("trained", "asked"),
    [
        (DENSE, {"experts": 4}),
        (DENSE, {"experts": 16, "top_k": 2, "balance": "all", "router": "frozen"}),
        ({}, {"top_k": 2, "capacity_factor": 4.0, "dtype": "bfloat16", "balance": "modality"}),
        ({}, {"image_size": 64, "text_length": 32}),
        ({"moe_every": 2, "layers": 2}, {"moe_every": 1}),
    ],
)
def test_other_routing_and_other_inputs_fit(shapes: Config, trained: Any, asked: Any) -> None:
    config = part(shapes, "model", **trained)
    source = Source(Run(Path("source"), config, {}), 7)
    source.check_fits(part(config, "model", **asked), new_vocabulary=False)


def test_the_dense_twins_of_presets_start_them() -> None:
    for name in ("emoji-tiny", "icons-tiny", "debug", "B/16"):
        config = preset(name)
        source = Source(Run(Path("twin"), dense_twin(config), {}), 7)
        source.check_fits(config, new_vocabulary=False)
        found = [block + 1 for block in config.model.moe_layers]
        named = f"block{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"
        assert source.changes(config) == [
            f"in {named} the MLP becomes {config.model.experts} experts, copies of it with outputs "
            "scaled against the mean gates of a new router"
        ]


def test_what_is_not_copied_is_told_and_kept(
    source: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = part(source.config, "model", image_size=64, text_length=20, vocab_size=280)
    run, state = started(tmp_path / "new", asked, init_from=f"{source.path}@3", new_vocabulary=True)
    assert state.params["image_positions"].shape == (64, 32)
    rows = state.params["token_embedding"]["embedding"]
    np.testing.assert_array_equal(
        rows[:258], trained_parameters(source.config, 3)["token_embedding"]["embedding"][:258]
    )
    assert len(rows) == 280
    said = capsys.readouterr().err
    assert "it starts from source at step 3: all parameters are copied, but for" in said
    assert run.tokenizer().vocab_size == 280
    origin = run.origin
    assert origin is not None and origin.step == 3
    assert [
        words in change
        for words, change in zip(
            (
                "positions of 4×4 patches are resampled to 8×8",
                "16 text tokens are copied, and 4",
                "of 280 pieces are copied",
            ),
            origin.changes,
            strict=True,
        )
    ] == [True] * 3
    assert all(change in said for change in origin.changes)
    assert Origin.read(run.info["init_from"]) == origin


# ---- sources that cannot be used


def test_a_source_that_is_damaged_is_refused_before_anything_is_written(
    source: Run, tmp_path: Path
) -> None:
    broken = jax.tree.map(lambda x: x * jnp.nan, trained_parameters(source.config))
    with source.checkpoints(keep=0) as store:
        store.save(9, broken)
        store.save(11, {"other": jnp.zeros(3)})
    for step, words in ((9, r"at step 9 are not all finite numbers.*@STEP"), (11, "does not fit")):
        with pytest.raises(RunError, match=words):
            begin(tmp_path / "new", source.config, init_from=f"{source.path}@{step}")
    source.path_of("tokenizer").unlink()
    with pytest.raises(RunError, match=r"has no tokenizer\.model"):
        begin(tmp_path / "new", source.config, init_from=f"{source.path}@7")
    assert not (tmp_path / "new").exists()


def test_a_source_without_a_step_is_refused(shapes: Config, tmp_path: Path) -> None:
    empty = trained_run(tmp_path / "empty", shapes)
    with pytest.raises(RunError, match="has no checkpoint yet"):
        begin(tmp_path / "new", shapes, init_from=empty.path)
    with pytest.raises(ConfigError, match="--new-vocabulary is for a run that starts from another"):
        begin(tmp_path / "new", shapes, new_vocabulary=True)


# ---- a run that goes on


def test_a_run_goes_on_with_the_source_that_it_started_from_alone(
    source: Run, shapes: Config, tmp_path: Path
) -> None:
    run = begin(tmp_path / "new", source.config, init_from=source.path)
    with pytest.raises(RunError, match="has no checkpoint yet, and was to start from source at"):
        begin(run.path, run.config, resume=True)
    begin(run.path, source.config, init_from=source.path)  # a start that was cut short
    assert begin(run.path, source.config).origin is None
    run = begin(run.path, source.config, init_from=source.path)
    with run.checkpoints() as store:
        store.save(20, trained_parameters(run.config), {"m": jnp.zeros(3)})
    for asked in (None, str(source.path), f"{source.path}@7"):
        assert train(run.path, run.config, resume=True, init_from=asked).steps() == [20]
        longer = part(run.config, "train", steps=40)
        again = begin(run.path, longer, resume=True, init_from=asked)
        assert again.origin == run.origin and again.config == longer
        begin(run.path, run.config, resume=True)
    for asked in (f"{source.path}@3", str(tmp_path / "other")):
        with pytest.raises(
            ConfigError, match=r"cannot go on with --init-from .* \(it was started "
        ):
            train(run.path, run.config, resume=True, init_from=asked)
    plain = trained_run(tmp_path / "plain", shapes, 20)
    with pytest.raises(ConfigError, match=r"\(it was started from no other run\); leave"):
        train(plain.path, plain.config, resume=True, init_from=source.path)
    with pytest.raises(ConfigError, match="or give --init-from without --resume"):
        begin(run.path, run.config, resume=True, new_vocabulary=True)


def test_another_process_must_start_from_the_same_step(source: Run, tmp_path: Path) -> None:
    run = begin(tmp_path / "new", source.config, init_from=f"{source.path}@3")
    Source(source, 3).check_step(run)
    with pytest.raises(RunError, match=rf"name the step: --init-from {source.path}@7"):
        Source(source, 7).check_step(run)


# ---- the command line


def parsed(*words: str) -> Config:
    config: Config = command.parse_with_preset(
        command_line.Command, ["--run", "new", *words], command_line.HELP
    ).config
    return config


def test_settings_that_are_not_given_are_those_of_the_source(
    source: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ["--init-from", str(source.path)]
    assert parsed(*start) == source.config
    assert parsed(*start, "--train.steps", "3").model == source.config.model
    assert parsed(f"--init_from={source.path}@3", "--model.experts", "8").model == replace(
        source.config.model, experts=8
    )
    other = parsed(*start, "--data.path", "pictures").data
    kept = source.config.data
    assert other == DataConfig(dir=kept.dir, batch_size=kept.batch_size, path="pictures")
    assert parsed(*start, "--data.name", "icons").data.config == "auto"
    debug = parsed(*start, "--preset", "debug")
    assert debug == part(preset("debug"), "model", vocab_size=290)
    assert parsed(*start, "--preset", "debug", "--new-vocabulary") == preset("debug")
    assert parsed(*start, "--new-vocabulary").model.vocab_size == 290
    with pytest.raises(ConfigError, match=r"--loss\.initial-temperature does nothing with"):
        parsed(*start, "--loss.initial-temperature", "0.2")
    with pytest.raises(RunError, match="there is no run at"):
        parsed("--init-from", "nowhere")


def test_the_command_line_says_what_does_not_fit(
    source: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run", str(tmp_path / "new"), "--init-from", str(source.path)]
    assert command_line.main([*words, "--model.width", "64"]) == 1
    assert "cannot start from source with --model.width 64" in capsys.readouterr().err
    assert command_line.main([*words[:2], "--new-vocabulary"]) == 1
    assert "--new-vocabulary is for a run that" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


# ---- your own pairs


@pytest.mark.parametrize("new_vocabulary", [False, True])
def test_a_vocabulary_that_is_kept_is_not_lowered(
    source: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], new_vocabulary: bool
) -> None:
    folder = own_pairs.csv_folder(tmp_path / "things")
    data = DataConfig(path=str(folder), dir=str(tmp_path / "data"), batch_size=64)
    config = replace(source.config, data=data)
    run = begin(
        tmp_path / "new",
        config,
        lower=LOWERED,
        init_from=source.path,
        new_vocabulary=new_vocabulary,
    )
    said = capsys.readouterr().err
    assert "a batch is lowered from 64 to" in said
    pieces = run.config.model.vocab_size
    assert run.tokenizer().vocab_size == pieces
    assert (pieces < 290, "the vocabulary is lowered" in said) == (new_vocabulary,) * 2
    # "number" has an "m", and no name of a coloured shape has one.
    assert ("captions have characters that are not in its vocabulary" in said) != new_vocabulary
    assert run.origin is not None and run.origin.data == "made_up_shapes/plain:1"


def test_data_of_a_source_lies_where_it_says_only_if_that_is_named(
    source: Run, tmp_path: Path
) -> None:
    path = source.path / "config.json"
    info = json.loads(path.read_text())
    info["config"]["data"].update(name="stranger_set", dir=str(tmp_path / "strange"))
    path.write_text(json.dumps(info))
    own = Source.named(source.path).settings()
    assert own.data.dir is None
    with pytest.raises(ConfigError, match=r"trust it, add --data\.dir .*strange"):
        begin(tmp_path / "new", own, init_from=source.path)
    other = replace(own, data=DataConfig(name="other_set"))
    with pytest.raises(ConfigError, match=r"other_set is not in [^;]*;(?!.*trust)"):
        begin(tmp_path / "new", other, init_from=source.path)


@pytest.mark.training
def test_experts_are_trained_from_a_dense_run(shapes: Config, tmp_path: Path) -> None:
    dense = trained_run(tmp_path / "dense", part(shapes, "model", experts=0), 7)
    words = ["--run", str(tmp_path / "moe"), "--init-from", str(dense.path)]
    words += ["--model.experts", "4", "--train.steps", "2", "--train.log-every", "1"]
    assert command_line.main([*words, "--data.batch-size", "4"]) == 0
    run = Run.open(tmp_path / "moe")
    assert run.steps() == [0, 2]
    assert run.config.model.experts == 4
    assert command_line.main([*words[:2], "--resume", "--train.steps", "3"]) == 0
    assert run.steps() == [0, 2, 3]
    logged = [line["step"] for line in run.metrics() if "loss" in line]
    assert logged == [1, 2, 3]
    assert limoe_core.load(run.path, 0).encode_texts(["red bar"]).shape == (1, 32)


@pytest.mark.processes
def test_two_processes_start_from_a_run_as_one_does(shapes: Config, tmp_path: Path) -> None:
    folder = own_pairs.csv_folder(tmp_path / "things")
    data = DataConfig(path=str(folder), dir=str(tmp_path / "data"), batch_size=8)
    config = part(replace(shapes, data=data), "model", experts=0)
    dense = trained_run(tmp_path / "dense", config, 7)

    def start(run: str, mesh: str, **environment: str) -> subprocess.Popen[str]:
        module = "tests.limoe_core.training.trained"
        return subprocess.Popen(
            [sys.executable, "-m", module, str(tmp_path / run), str(dense.path), mesh],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    cluster = {"JAX_COORDINATOR_ADDRESS": f"localhost:{free_port()}", "JAX_NUM_PROCESSES": "2"}
    finish(start("alone", ""))
    finish(*(start("both", "expert=2", JAX_PROCESS_ID=str(i), **cluster) for i in range(2)))
    alone, both = Run.open(tmp_path / "alone"), Run.open(tmp_path / "both")
    assert both.steps() == alone.steps() == [0]
    assert both.origin == alone.origin is not None
    params = [jax.tree.leaves(run.restore_params(0)) for run in (alone, both)]
    for ours, theirs in zip(*params, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
