"""Steps on disk: whole or not at all, for readers who come at any moment."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from limoe_core.runs import Run, RunError
from limoe_core.runs.checkpoints import read_all, read_params
from limoe_core.training.errors import TrainingError, explained_write_errors
from tests.limoe_core.runs.examples import DEBUG, assert_same, params_at, python, shapes


def test_everything_a_step_holds_comes_back(run: Run) -> None:
    params = params_at(3)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    floats = {k: v for k, v in params.items() if k in {"blocks", "scale"}}
    opt_state = jax.tree.map(lambda x: x + 1, optimizer.init(floats))
    position = {"epoch": 1, "next": [3, 4], "seed": 2**60}
    with run.checkpoints() as store:
        assert store.save(3, params, opt_state, position)
        assert not store.save(3, params_at(4), opt_state, position), "a step is written once"
        found = store.restore_all(3, {"params": shapes(params), "opt_state": shapes(opt_state)})
    assert_same(found["params"], params)
    assert_same(found["opt_state"], opt_state)
    assert found["input"] == position


def test_parameters_alone_come_back_as_asked_for(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1), {"m": jnp.zeros(3)})
        store.save(2, params_at(2), {"m": jnp.zeros(3)})
    assert_same(run.restore_params(1, shapes(params_at(1))), params_at(1))
    assert_same(run.restore_params(target=shapes(params_at(2))), params_at(2))
    cast = run.restore_params(2, shapes(params_at(2), jnp.float32))
    assert_same(cast, jax.tree.map(lambda x: x.astype(jnp.float32), params_at(2)))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(cast))


def test_parameters_come_back_without_a_target(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    found = run.restore_params(1)
    assert set(found["blocks"]) == {str(i) for i in range(11)}
    np.testing.assert_array_equal(found["blocks"]["10"]["w"], params_at(1)["blocks"][10]["w"])
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("zarr3", [False, True])
def test_arrays_packed_in_other_ways_are_refused(run: Run, zarr3: bool) -> None:
    """A chunk in blosc takes as much memory as it says, whatever the shape of its array."""
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    place = run.path_of("parameters", 1) / "params"
    shutil.rmtree(place)
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_zarr3=zarr3)) as writer:
        writer.save(place, args=ocp.args.PyTreeSave(params_at(1)))
    if not zarr3:
        run.restore_params(1)
        for file in place.glob("*/.zarray"):
            text = file.read_text().replace('"id":"zstd"', '"id":"blosc","cname":"zstd"')
            file.write_text(text.replace('"level":1', '"clevel":5,"shuffle":0'))
    said = "written in zarr 3" if zarr3 else "packed with blosc"
    with pytest.raises(RunError, match=said):
        run.restore_params(1)


def test_parameters_are_read_though_the_optimizer_is_ruined(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1), {"m": jnp.zeros(3)}, {"at": 1})
    for path in (run.path / "steps" / "1" / "opt_state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"ruin")
    assert_same(run.restore_params(1, shapes(params_at(1))), params_at(1))
    with pytest.raises(RunError, match="damaged"):
        read_all(
            run.path / "steps",
            1,
            {"params": shapes(params_at(1)), "opt_state": {"m": jax.ShapeDtypeStruct((3,), float)}},
        )


def test_arrays_may_be_donated_while_they_are_written(run: Run) -> None:
    """Training overwrites its buffers at once; the step on disk must be that of the call."""
    increase = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    state = {"w": jnp.zeros((1500, 1500)), "b": jnp.zeros(7)}
    with run.checkpoints(keep=0) as store:
        for step in range(4):
            store.save(step, state)
            for _ in range(5):
                state = increase(state)
    for step in range(4):
        found = run.restore_params(step)
        assert np.all(found["w"] == 5 * step)
        assert np.all(found["b"] == 5 * step)


@pytest.mark.parametrize(
    ("keep", "period", "kept"),
    [(2, 0, [8, 9]), (1, 4, [0, 4, 8, 9]), (0, 0, list(range(10))), (3, 5, [0, 5, 7, 8, 9])],
)
def test_the_newest_steps_are_kept_and_some_for_good(
    run: Run, keep: int, period: int, kept: list[int]
) -> None:
    with run.checkpoints(keep=keep, keep_period=period) as store:
        for step in range(10):
            store.save(step, {"w": jnp.full(3, step)})
    assert run.steps() == kept
    assert sorted(p.name for p in (run.path / "steps").iterdir()) == sorted(map(str, kept))
    for step in kept:
        assert run.restore_params(step)["w"].tolist() == [step] * 3


def test_keeping_goes_on_over_a_restart(run: Run) -> None:
    for steps in ([1, 2, 3], [4, 5]):
        with run.checkpoints(keep=2) as store:
            for step in steps:
                store.save(step, {"w": jnp.full(3, step)})
    assert run.steps() == [4, 5]


def test_what_is_no_whole_step_is_not_a_step(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(5, {"w": jnp.zeros(3)})
    steps = run.path / "steps"
    for name in ("6", "7.orbax-checkpoint-tmp", ".deleted", "latest", "-1", "٣", "08"):
        (steps / name).mkdir()
    (steps / "7.orbax-checkpoint-tmp" / "params").mkdir()
    (steps / "9").write_text("a file")
    assert run.steps() == [5]
    assert run.resolve_step() == 5


def test_steps_that_are_not_there_are_named(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(5, {"w": jnp.zeros(3)})
    with pytest.raises(RunError, match="no step 7; it has 5"):
        run.resolve_step(7)
    with pytest.raises(RunError, match="no step 7; it has 5"):
        read_params(run.path / "steps", 7)


def test_parameters_of_another_model_are_refused(run: Run) -> None:
    """Orbax alone would cut or pad an array of another shape."""
    with run.checkpoints() as store:
        store.save(1, {"a": jnp.zeros((3, 4)), "b": jnp.zeros(2)})
    array = jax.ShapeDtypeStruct
    for target, words in [
        ({"a": array((3, 5), float), "b": array((2,), float)}, r"a is \(3, 4\), expected \(3, 5\)"),
        ({"a": array((3, 4), float)}, r"b is \(2,\), expected none"),
        (
            {"a": array((3, 4), float), "b": array((2,), float), "c": array((1,), float)},
            r"c is missing, expected \(1,\)",
        ),
    ]:
        with pytest.raises(RunError, match=f"does not fit.*{words}"):
            run.restore_params(1, target)


@pytest.mark.parametrize("part", ["_METADATA", "manifest.ocdbt", "d"])
def test_a_damaged_step_is_said_in_a_sentence(run: Run, part: str) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    place = run.path / "steps" / "1" / "params"
    damaged = [p for p in (*place.glob(part), *place.glob(f"**/{part}/*")) if p.is_file()]
    assert damaged
    for path in damaged:
        path.write_bytes(path.read_bytes()[:20] + b"\0" * 40)
    with pytest.raises(RunError, match=r"steps/1 is damaged"):
        run.restore_params(1, shapes(params_at(1)))


def test_parameters_lie_where_they_are_asked_to(tmp_path: Path) -> None:
    """Written on one device, read onto a mesh of two, in another process."""
    run = Run.create(tmp_path / "one", DEBUG)
    with run.checkpoints() as store:
        store.save(1, {"w": jnp.arange(12.0).reshape(4, 3)})
    script = """
        import sys
        import jax, numpy as np
        from jax.sharding import NamedSharding, PartitionSpec
        from limoe_core.runs.directory import Run
        mesh = jax.make_mesh((2,), ("data",))
        rows = NamedSharding(mesh, PartitionSpec("data"))
        target = {"w": jax.ShapeDtypeStruct((4, 3), np.float32, sharding=rows)}
        w = Run.open(sys.argv[1]).restore_params(1, target)["w"]
        assert w.sharding == rows
        assert [shard.data.shape for shard in w.addressable_shards] == [(2, 3), (2, 3)]
        assert np.array_equal(w, np.arange(12.0).reshape(4, 3))
    """
    flags = "--xla_force_host_platform_device_count=2"
    done = python(script, run.path, env={"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"})
    assert done.wait(timeout=120) == 0


@pytest.mark.processes
def test_a_writer_killed_at_any_moment_leaves_only_whole_steps(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "killed", DEBUG)
    script = """
        import sys
        import jax.numpy as jnp
        from limoe_core.runs.directory import Run
        run = Run.open(sys.argv[1])
        with run.checkpoints(keep=2) as store:
            for step in range(run.resolve_step() + 1 if run.steps() else 0, 100_000):
                store.save(step, {"w": jnp.full((400, 400), step)}, {"m": jnp.zeros((400, 400))})
                run.append_metrics({"step": step, "loss": 1.5, "note": "x" * 3000})
                if step % 3 == 0:
                    print(step, flush=True)
    """
    newest = -1
    for delay in (0.0, 0.013, 0.047):
        writer = python(script, run.path)
        assert writer.stdout
        for _ in range(4):
            assert writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        steps = run.steps()
        assert steps
        assert steps[-1] > newest
        newest = steps[-1]
        for step in steps:
            assert np.all(run.restore_params(step)["w"] == step)
        logged = [line["step"] for line in run.metrics()]
        assert logged == sorted(set(logged))
        run.truncate_metrics(newest)
        assert [line["step"] for line in run.metrics()] == [n for n in logged if n <= newest]
    with run.checkpoints(keep=2) as store:  # what the killed ones left is cleaned away
        store.save(newest + 1, {"w": jnp.zeros(3)})
    assert {p.name for p in (run.path / "steps").iterdir()} == set(map(str, run.steps()))


def test_a_save_that_failed_is_told_before_the_next(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
        store.wait()

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as broken:
            broken.setattr(type(store._manager), "_finalize_checkpoint", full)
            store.save(2, params_at(2))
            for _ in range(600):
                if not store.is_saving():
                    break
                time.sleep(0.01)
            with pytest.raises(RunError, match=r"No space left.*go on with --resume"):
                store.check()
        store.check()  # told once
        assert store.save(3, params_at(3))


def test_a_save_that_goes_well_is_not_waited_for(run: Run) -> None:
    with run.checkpoints() as store:
        store.check()
        store.save(1, params_at(1))
        store.check()
        store.wait()
        store.check()


def test_a_run_that_was_deleted_is_said_to_be(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
        store.wait()
        shutil.rmtree(run.path)
        with pytest.raises(RunError, match=r"was deleted, so no step can be saved there"):
            store.save(2, params_at(2))
    with pytest.raises(TrainingError, match=r"was deleted, so training cannot go on"):
        with explained_write_errors(run):
            run.append_metrics({"step": 1})
    assert not run.path.exists()
