"""The run directory: whole or not at all, for readers who come at any moment."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.config import RUN_FORMAT, Config
from limoe_core.presets import preset
from limoe_core.runs.checkpoints import read_all, read_params
from limoe_core.runs.directory import Run, RunError, export_params, find_run, list_runs
from limoe_core.runs.files import replacing
from limoe_core.tokenizer import Tokenizer
from limoe_core.trace import RoutingTrace

ROOT = Path(__file__).resolve().parents[3]
DEBUG = preset("debug")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "a-run", DEBUG, data={"name": "emoji/base:1.0.0"}, parameters=42)


def params_at(step: int) -> dict[str, Any]:
    """A tree with what real ones have: integer keys, an empty part, several types."""
    rng = np.random.default_rng(step)
    return {
        "blocks": {i: {"w": jnp.asarray(rng.normal(size=(3, 5)), jnp.float32)} for i in range(11)},
        "norm": {},
        "scale": jnp.float32(step),
        "half": jnp.asarray(rng.normal(size=7), jnp.bfloat16),
        "count": jnp.int32(step),
    }


def shapes(tree: Any, dtype: Any = None) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, dtype or x.dtype), tree)


def assert_same(found: Any, wanted: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


def small_trace(seed: int = 0) -> RoutingTrace:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(4), size=(2, 5)).astype(np.float32)
    expert = probs.argmax(axis=-1)[..., None].astype(np.int16)
    return RoutingTrace(
        layers=np.array([2, 4], np.int32),
        modality=np.array([0, 0, 1, 1, 1], np.uint8),
        pair=np.array([0, 1, 0, 0, 1], np.int32),
        position=np.array([0, 0, 0, 1, 0], np.int32),
        piece=np.array(["", "", "▁りんご", "s", "▁red"]),
        box=np.array([[0, 0, 8, 8]] * 2 + [[-1] * 4] * 3, np.int32),
        probs=probs,
        expert=expert,
        gate=np.take_along_axis(probs, expert.astype(int), axis=-1),
        dropped=rng.random((2, 5, 1)) < 0.2,
        captions=np.array(["りんごs", "red"]),
        image_embeddings=rng.normal(size=(2, 3)).astype(np.float32),
        text_embeddings=rng.normal(size=(2, 3)).astype(np.float32),
        image_size=8,
        grid=1,
        meta={"language": np.array(["ja", "en"])},
    )


# ---- making and opening


def test_a_run_opens_as_it_was_made(run: Run) -> None:
    opened = Run.open(str(run.path))
    assert opened == run
    assert opened.name == "a-run"
    assert opened.config == DEBUG
    assert opened.info["data"] == {"name": "emoji/base:1.0.0"}
    assert opened.info["parameters"] == 42
    assert opened.info["seed"] == DEBUG.train.seed
    assert opened.info["format"] == RUN_FORMAT
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


# ---- lists of runs


def test_runs_are_listed_with_what_is_wrong_with_them(run: Run) -> None:
    folder = run.path.parent
    (folder / "foreign").mkdir()
    (folder / ".cache").mkdir()
    (folder / "notes.txt").write_text("")
    Run.create(folder / "broken", DEBUG)
    (folder / "broken" / "config.json").write_text("{")
    listed = {listing.name: listing.error for listing in list_runs(folder)}
    assert list(listed) == ["a-run", "broken", "foreign"]
    assert listed["a-run"] is None
    assert "damaged" in str(listed["broken"])
    assert "config.json" in str(listed["foreign"])


def test_lists_of_nothing(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(RunError, match="does not exist"):
        list_runs(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be read"):
        list_runs(tmp_path / "file")


@pytest.mark.parametrize("name", ["../secret", "a/b", "..", ".", "", "a\\b", "/etc", "a\0b"])
def test_a_name_from_the_address_bar_stays_in_the_folder(run: Run, name: str) -> None:
    with pytest.raises(RunError, match="name"):
        find_run(run.path.parent, name)
    assert find_run(run.path.parent, "a-run") == run


# ---- parameters


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


def python(script: str, *args: Any, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


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


# ---- what ships


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


def test_export_never_mixes_runs(run: Run) -> None:
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    Run.create(run.path.parent / "other", Config())
    with pytest.raises(RunError, match="other settings"):
        export_params(run, 1, run.path.parent / "other")


# ---- metrics


@settings(max_examples=30)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53)
            | st.floats(allow_nan=False, allow_infinity=False),
            max_size=4,
        ),
        max_size=5,
    )
)  # fmt: skip
def test_logged_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    run = Run.create(tmp_path_factory.mktemp("log") / "run", DEBUG)
    for line in lines:
        run.append_metrics(line)
    assert run.metrics() == lines


def test_numbers_of_arrays_and_nan_are_logged(run: Run) -> None:
    run.append_metrics(
        {
            "step": np.int64(3),
            "loss": jnp.float32(0.5),
            "shares": {"layer 2": np.array([[0.25, 0.75]])},
            "diverged": float("nan"),
            "norm": jnp.float32(jnp.inf),
        }
    )
    assert run.metrics() == [
        {
            "step": 3,
            "loss": 0.5,
            "shares": {"layer 2": [[0.25, 0.75]]},
            "diverged": None,
            "norm": None,
        }
    ]


def test_torn_lines_are_skipped_and_the_next_one_is_whole(run: Run) -> None:
    run.append_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write('{"step": 2, "text": "りん'.encode()[:-1])
    assert run.metrics() == [{"step": 1}]
    run.append_metrics({"step": 3})
    assert run.metrics() == [{"step": 1}, {"step": 3}]


def test_a_reader_never_sees_half_a_line(run: Run) -> None:
    def write() -> None:
        for step in range(1000):
            run.append_metrics({"step": step, "text": "x" * 5000})

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        steps = [line["step"] for line in run.metrics()]
        assert steps == list(range(len(steps)))
    writer.join()
    assert len(run.metrics()) == 1000


def test_going_back_forgets_what_came_later(run: Run) -> None:
    for step in (0, 5, 10, 15):
        run.append_metrics({"step": step})
        run.save_probe(step, small_trace(step))
        run.store_evaluation("test_style", step, {"top1": step / 100})
    (run.path / "probes" / ".15.123.npz").write_bytes(b"of a killed writer")
    run.truncate_metrics(10)
    assert [line["step"] for line in run.metrics()] == [0, 5, 10]
    assert run.probe_steps() == [0, 5, 10]
    assert list(run.evaluations()["test_style"]) == ["0", "5", "10"]
    assert not list((run.path / "probes").glob(".*"))
    run.truncate_metrics(-1)
    assert run.metrics() == run.probe_steps() == []


# ---- evaluations


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


# ---- probes


def test_probes_come_back_equal(run: Run) -> None:
    for step in (100, 0, 20):
        run.save_probe(step, small_trace(step))
    (run.path / "probes" / "notes.txt").write_text("")
    assert run.probe_steps() == [0, 20, 100]
    assert run.probe(20) == small_trace(20)
    assert run.probe(0) != small_trace(20)
    with pytest.raises(RunError, match="no probe at step 3; it has 0, 20, 100"):
        run.probe(3)


def test_probe_pictures_come_back_and_are_no_probe(run: Run) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    run.save_probe_pictures(pictures)
    found = run.probe_pictures()
    assert found is not None
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pictures)
    assert run.probe_steps() == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x04pickle"])
def test_damaged_probes_are_said_in_a_sentence(run: Run, content: bytes) -> None:
    run.save_probe(1, small_trace())
    (run.path / "probes" / "1.npz").write_bytes(content)
    (run.path / "probes" / "pictures.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"1\.npz is damaged"):
        run.probe(1)
    with pytest.raises(RunError, match=r"pictures\.npz is damaged"):
        run.probe_pictures()


def test_a_flipped_byte_of_a_packed_array_gives_a_sentence_or_other_numbers(run: Run) -> None:
    run.save_probe_pictures(np.random.default_rng(0).integers(0, 9, (2, 8, 8, 3), np.uint8))
    path = run.path / "probes" / "pictures.npz"
    whole = path.read_bytes()
    said = []
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            run.probe_pictures()
        except RunError as error:
            said.append(str(error))
    assert all("damaged or incomplete" in sentence for sentence in said)
    assert len(said) > len(whole) / 2


def test_metrics_too_deep_to_read_are_skipped_and_a_folder_in_their_place_is_said(run: Run) -> None:
    run.append_metrics({"step": 1})
    path = run.path / "metrics.jsonl"
    path.write_text(path.read_text() + "[" * 200_000 + "\n")
    assert run.metrics() == [{"step": 1}]
    path.unlink()
    path.mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        run.metrics()


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


# ---- tokenizer


def test_the_tokenizer_comes_back(run: Run) -> None:
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


# ---- files


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    with replacing(path) as temporary:
        temporary.write_text("new")
        temporary.chmod(0o600)
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == tmp_path.stat().st_mode & 0o666
    assert [p.name for p in tmp_path.iterdir()] == ["f.txt"]


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
