"""Copies of a run that are small enough to ship."""

from __future__ import annotations

import dataclasses
import errno
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.config import Config
from limoe_core.runs import Run, RunError
from limoe_core.runs.checkpoints import read_all
from limoe_core.runs.export import export_params
from limoe_core.ship import Options, ship
from limoe_core.ship import main as ship_command
from limoe_core.tokenizer import Tokenizer
from tests.limoe_core.runs.examples import DEBUG, assert_same, params_at, shapes, small_trace


def test_exported_parameters_are_small_and_come_back_in_float32(run: Run) -> None:
    rng = np.random.default_rng(0)
    params = {"w": {i: jnp.asarray(rng.normal(size=(256, 512)), jnp.float32) for i in range(8)}}
    with run.checkpoints() as store:
        store.save(7, params, {"m": params, "v": params}, {"at": 7})
        store.save(9, params)
    target = run.path.parent / "shipped"
    shipped = export_params(run, 7, target)
    assert export_params(run, 9, target).steps() == [7, 9]
    assert shipped.config == run.config
    assert shipped.info == run.info, "when and with what it was trained goes along"
    raw = 2 * sum(x.size for x in jax.tree.leaves(params))
    files = [p for p in (target / "steps" / "7").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < raw
    assert len(files) < 30
    found = shipped.restore_params(7, shapes(params))
    rounded = jax.tree.map(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), params)
    assert_same(found, rounded)
    with pytest.raises(RunError, match="no opt_state.*not resumed"):
        read_all(
            target / "steps", 7, {"params": shapes(params), "opt_state": {"m": shapes(params)}}
        )


def test_export_keeps_whole_numbers_and_other_types(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    exact = export_params(run, 1, run.path.parent / "exact", dtype="float32")
    assert exact.restore_params(1)["count"].dtype == np.int32
    assert exact.restore_params(1)["half"].dtype == np.float32
    np.testing.assert_array_equal(
        exact.restore_params(1)["blocks"]["3"]["w"], params_at(1)["blocks"][3]["w"]
    )


def test_a_disk_that_takes_no_more_is_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    run.save_probe(1, small_trace())
    target = run.path.parent / "small"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as soon:
        soon.setattr(Run, "save_probe", full)
        soon.setattr(sys, "argv", ["ship", "--run", str(run.path), "--to", str(target)])
        assert ship_command() == 1
    told = capsys.readouterr().err
    assert f"{target} cannot be written: No space left on device" in told
    assert "the same command makes the copy whole" in told
    assert ship(Options(run.path, target)).probe_steps() == [1]


def test_where_data_and_the_run_lay_does_not_go_along(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    known = {"name": "emoji/base:1.0.0", "directory": "/home/me/data", "train_pictures": 3}
    run = run.with_settings(run.config, data=known)
    shipped = export_params(run, 1, run.path.parent / "small")
    assert shipped.info["data"] == {"name": "emoji/base:1.0.0", "train_pictures": 3}
    place = str(run.path.parent).encode()
    assert not [
        file for file in shipped.path.rglob("*") if file.is_file() and place in file.read_bytes()
    ]


def test_export_never_mixes_runs(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    Run.create(run.path.parent / "other", Config())
    with pytest.raises(RunError, match="other settings"):
        export_params(run, 1, run.path.parent / "other")


def test_what_ships_is_read_like_the_run_and_has_no_evaluations(tmp_path: Path) -> None:
    model = dataclasses.replace(DEBUG.model, vocab_size=270)
    run = Run.create(tmp_path / "run", dataclasses.replace(DEBUG, model=model))
    for step in (1, 2):
        with run.checkpoints(keep=0) as store:
            store.save(step, params_at(step), {"m": jnp.zeros(3)}, {"at": step})
        run.append_metrics({"step": step, "loss": 1 / step})
        run.save_probe(step, small_trace(step))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    run.save_probe_pictures(pictures)
    run.save_tokenizer(Tokenizer.train(["red cat", "blue cat", "red dog"], 270))
    run.store_evaluation("test_style", 2, {"top1": 0.5})
    target = run.path.parent / "shipped"

    assert ship(Options(run.path, target)).steps() == [2]
    shipped = ship(Options(run.path, target, steps=(1, 2)))
    assert shipped.steps() == [1, 2]
    assert shipped.metrics() == run.metrics()
    assert [shipped.probe(step) for step in shipped.probe_steps()] == [run.probe(1), run.probe(2)]
    np.testing.assert_array_equal(shipped.probe_pictures(), pictures)
    texts = ["red dog", "cat"]
    np.testing.assert_array_equal(
        shipped.tokenizer().encode(texts, 8), run.tokenizer().encode(texts, 8)
    )
    assert shipped.evaluations() == {}
    with pytest.raises(RunError, match="no step 7; it has 1, 2"):
        ship(Options(run.path, target, steps=(7,)))
