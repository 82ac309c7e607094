"""How long a step function took to compile is known the next time, on the same devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from limoe_core import places
from limoe_core.config import Config
from limoe_core.devices.mesh import MeshShape, make_mesh
from limoe_core.presets import preset
from limoe_core.training.compile_times import _FILE, _MOST, CompileTimes
from limoe_core.training.progress import TrainProgress

DEBUG = preset("debug")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = places.cache()
    assert folder is not None
    return folder


def times(config: Config = DEBUG) -> CompileTimes:
    return CompileTimes(config, make_mesh(MeshShape(1, 1)))


def test_the_time_of_one_step_function_is_known_the_next_time() -> None:
    assert times().last(8) is None
    with times().timed(8):
        pass
    assert times().last(8) == pytest.approx(0, abs=1)
    assert times().last(16) is None
    assert times(replace(DEBUG, data=replace(DEBUG.data, batch_size=4))).last(8) is None


def test_what_was_not_compiled_is_not_remembered() -> None:
    with times().timed(8, really=False):
        pass
    with pytest.raises(KeyError), times().timed(8):
        raise KeyError("compiling failed")
    assert times().last(8) is None


def test_only_the_newest_are_kept() -> None:
    for patches in range(_MOST + 1):
        with times().timed(patches):
            pass
    assert times().last(0) is None
    assert times().last(1) is not None


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', "[" * 100_000])
def test_a_file_that_says_nothing_of_use_is_no_hindrance(cache: Path, text: str) -> None:
    (cache / _FILE).write_text(text)
    assert times().last(8) is None
    with times().timed(8):
        pass
    assert times().last(8) is not None


@pytest.mark.parametrize(
    ("last", "said"),
    [(None, "compiling\n"), (0.2, "compiling\n"), (40.4, "compiling, 40 s the last time\n")],
)
def test_the_progress_says_it(
    last: float | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    TrainProgress("run", 0, 20).compiling(1, last)
    assert capsys.readouterr().err == f"run  step 1/20  {said}"
