"""Training as a user does it: from the command line, killed and resumed, and looked at after."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import limoe_core
from limoe_core import command
from limoe_core.config import ConfigError
from limoe_core.presets import preset
from limoe_core.runs.directory import Run
from limoe_core.train import Command
from tests.conftest import ROOT

STEPS = 12


def arguments(run: Path, data_dir: Path, steps: int = STEPS, every: int = 3) -> list[str]:
    """A run small enough to be trained a few times in a test, saved `every` so many steps."""
    return [
        *("--preset", "debug", "--run", str(run), "--data.dir", str(data_dir)),
        *("--train.steps", str(steps), "--train.checkpoint-every", str(every)),
        *("--train.evaluate-every", "0", "--train.probe-every", "6", "--train.probe-pairs", "4"),
        *("--train.patch-keep", "0.5", "--train.full-patch-steps", "3"),
    ]


def start(options: list[str], **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "limoe_core.train", *options],
        cwd=ROOT,
        env={**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-4000:]
    return output


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Run:
    """A run that was never stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    finish(start(arguments(path, data_dir)))
    return Run.open(path)


@pytest.mark.processes
def test_a_killed_run_resumes_to_bitwise_the_same_parameters(
    whole: Run, tmp_path: Path, data_dir: Path
) -> None:
    path = tmp_path / "run"
    process = start(arguments(path, data_dir))
    wait_for(lambda: path.exists() and Run.open(path).steps(), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed_at = Run.open(path).steps()[-1]
    assert 0 < killed_at < STEPS, "the run must be killed on its way"

    finish(start(["--run", str(path), "--resume"]))
    resumed = Run.open(path)
    assert resumed.steps()[-1] == STEPS
    for ours, theirs in zip(leaves(resumed), leaves(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    losses = [[(line["step"], line["loss"]) for line in run.metrics()] for run in (resumed, whole)]
    assert losses[0] == losses[1]
    assert resumed.probe_steps() == whole.probe_steps()


@pytest.mark.processes
def test_a_terminated_run_saves_where_it_is_and_a_second_trainer_is_refused(
    whole: Run, tmp_path: Path, data_dir: Path
) -> None:
    path = tmp_path / "run"
    process = start(arguments(path, data_dir))
    wait_for(lambda: path.exists() and Run.open(path).steps(), process)
    process.send_signal(signal.SIGSTOP)  # or it might end before the second one looks
    second = start(["--run", str(path), "--resume"])
    output, _ = second.communicate(timeout=600)
    assert second.returncode == 1
    assert "is being trained by another process" in " ".join(output.split())
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 143, output[-4000:]
    assert "go on with --resume" in output
    saved_at = Run.open(path).steps()[-1]
    assert 0 < saved_at < STEPS
    assert Run.open(path).metrics()[-1]["step"] == saved_at

    finish(start(["--run", str(path), "--resume"]))
    for ours, theirs in zip(leaves(Run.open(path)), leaves(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.processes
def test_a_disk_that_takes_no_more_ends_in_a_sentence(
    whole: Run, tmp_path: Path, data_dir: Path
) -> None:
    path = tmp_path / "run"
    limit = 400_000  # bytes a file: the tokenizer fits, a step's parameters and optimizer do not

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start(arguments(path, data_dir), preexec_fn=no_large_files)
    output, _ = process.communicate(timeout=600)
    told = " ".join(output.split())
    assert process.returncode == 1, output[-4000:]
    assert "could not be saved" in told or "cannot be written" in told
    assert "--resume" in told
    assert "Traceback" not in output
    assert Run.open(path).steps() == []
    finish(start(["--run", str(path), "--resume"]))
    assert Run.open(path).steps()[-1] == STEPS


@pytest.mark.processes
def test_a_folder_that_turns_read_only_ends_in_a_sentence(tmp_path: Path, data_dir: Path) -> None:
    path, steps = tmp_path / "run", 150
    # So seldom that no save is under way: its thread would be waited for, for five minutes.
    process = start(arguments(path, data_dir, steps, every=50), preexec_fn=obey_permissions)
    wait_for(lambda: path.exists() and Run.open(path).steps(), process)
    process.send_signal(signal.SIGSTOP)
    folders = [path, path / "steps"]
    try:
        for folder in folders:
            folder.chmod(0o555)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=600)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    told = " ".join(output.split())
    assert process.returncode == 1, output[-4000:]
    assert "Permission denied" in told or "could not be saved" in told
    saved = Run.open(path).steps()
    assert 0 < saved[-1] < steps
    assert f"step {saved[-1]} " in f"{told.lower().replace('.', ' ')} " and "--resume" in told
    assert "Traceback" not in output
    Run.open(path).restore_params(saved[-1])


def obey_permissions() -> None:
    """Takes from a process of root's the right to write where nobody may (capabilities(7))."""
    drop_from_bounding_set, overriding_permissions = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    if os.geteuid() == 0:
        failed = ctypes.CDLL(None).prctl(drop_from_bounding_set, overriding_permissions, 0, 0, 0)
        assert not failed, "root could not be held to permissions"


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if condition():  # type: ignore[operator]
            return
        assert process.poll() is None, process.stdout.read()[-4000:]  # type: ignore[union-attr]
        time.sleep(0.05)
    raise AssertionError("the run saved nothing in five minutes")


def leaves(run: Run) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(run.restore_params(STEPS))]


def test_every_line_tells_of_every_router_by_modality(whole: Run) -> None:
    lines = whole.metrics()
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    for line in lines:
        assert [router["layer"] for router in line["routers"]] == [1, 2]
        for router in line["routers"]:
            for modality in ("image", "text"):
                assert sum(router["share"][modality]) == pytest.approx(1, abs=1e-4)
                assert 0 <= router["dropped"][modality] <= 1
                entropy = router["local_entropy"][modality]
                assert 0 <= entropy <= router["global_entropy"][modality] + 1e-5
        json.dumps(line)


def test_the_logged_loss_is_the_sum_of_its_parts(whole: Run) -> None:
    weights = whole.config.loss
    for line in whole.metrics():
        used = {k: v for k, v in line["auxiliary"].items() if getattr(weights, k)}
        mean = sum(getattr(weights, k) * v for k, v in used.items()) / len(used)
        total = line["contrastive"] + weights.auxiliary * mean
        assert line["loss"] == pytest.approx(total, rel=1e-4)


def test_probes_show_what_the_model_of_their_step_does(whole: Run) -> None:
    model = limoe_core.load(whole.path)
    probe = whole.probe(STEPS)
    pixels = whole.probe_pictures().astype(np.float32) / 127.5 - 1
    again = model.trace_pixels(
        pixels, list(probe.captions), capacity_factor=model.config.model.capacity_factor
    )
    assert (again.expert == probe.expert).mean() > 0.98  # pictures are stored in eight bits
    np.testing.assert_allclose(again.probs, probe.probs, atol=0.02)


def test_a_loaded_model_encodes_and_traces(whole: Run) -> None:
    model = limoe_core.load(whole.path)
    picture = np.zeros((20, 31, 3), np.uint8)
    images = model.encode_images([picture, picture])
    texts = model.encode_texts(["a red apple", "リンゴ", ""])
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(texts[:2], axis=1), 1, atol=1e-5)
    assert not texts[2].any()
    assert model.encode_images([]).shape == (0, 32)
    trace = model.trace([picture, None], ["a red apple", "リンゴ"])
    np.testing.assert_allclose(trace.image_embeddings[0], images[0], atol=1e-5)
    np.testing.assert_allclose(trace.text_embeddings, texts[:2], atol=1e-5)
    assert (trace.modality[trace.pair == 1] == 1).all()
    assert not trace.dropped.any()
    np.testing.assert_array_equal(trace.expert[..., 0], trace.probs.argmax(-1))
    with pytest.raises(ValueError, match="2 images but 1 texts"):
        model.trace([picture, picture], ["one"])


def test_refusals_are_sentences(whole: Run, tmp_path: Path, data_dir: Path) -> None:
    for options, sentence in [
        (arguments(whole.path, data_dir), "is a run already"),
        (["--run", str(tmp_path / "none"), "--resume"], "there is no run at"),
        (["--run", str(tmp_path / "x"), "--preset", "emoji-huge"], "no preset 'emoji-huge'"),
        (["--run", str(tmp_path / "x"), "--model.heads", "7"], "not a multiple of model.heads"),
    ]:
        process = start(options)
        output, _ = process.communicate(timeout=300)
        assert process.returncode in (1, 2)  # 2 where the command line itself cannot be read
        assert sentence in " ".join(output.replace("│", " ").split())
        assert "Traceback" not in output


def test_the_command_line_starts_from_the_preset() -> None:
    parsed = command.parse_with_preset(Command, ["--preset", "debug", "--run", "somewhere"])
    assert parsed.config == preset("debug")
    assert parsed.run == Path("somewhere")
    parsed = command.parse_with_preset(Command, ["--run", "r", "--model.experts", "16"])
    assert parsed.config.model.experts == 16
    options = ["--run", "r", "--model.router", "frozen", "--model.balance", "modality"]
    options += ["--model.shared-dim", "64", "--model.expert-dim", "32", "--model.top-k", "2"]
    model = command.parse_with_preset(Command, options).config.model
    assert (model.router, model.balance) == ("frozen", "modality")
    assert (model.shared_dim, model.expert_dim, model.top_k) == (64, 32, 2)
    with pytest.raises(ConfigError):
        command.parse_with_preset(Command, ["--preset", "nothing", "--run", "r"])
