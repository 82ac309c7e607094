"""What a run remembers of the run that it was started from, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.runs import Run, RunError
from limoe_core.runs.export import export_params
from limoe_core.runs.origin import Origin, parted
from tests.limoe_core.runs.examples import DEBUG, params_at

ORIGIN = Origin("first", 4500, "/runs/first", "emoji/full:1.0.0", "12ab", ("all new",))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def test_it_is_written_and_read_as_json() -> None:
    assert Origin.read(json.loads(json.dumps(ORIGIN.to_dict()))) == ORIGIN
    assert str(ORIGIN) == "first at step 4,500"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ORIGIN.to_dict(), JSON)) | JSON)
def test_whatever_is_said_is_an_origin_or_none(said: Any) -> None:
    found = Origin.read(said)
    if found is None:
        return
    assert isinstance(found.run, str) and type(found.step) is int and found.step >= 0
    assert all(each is None or isinstance(each, str) for each in (found.path, found.data))
    assert all(isinstance(each, str) for each in found.changes)


def test_long_texts_are_cut() -> None:
    said = {"run": "r" * 9999, "step": 1, "changes": ["c" * 9999] * 9999}
    found = Origin.read(said)
    assert found is not None
    assert len(found.run) == len(found.changes[0]) == 500 and len(found.changes) == 20


def test_a_run_tells_it_and_a_copy_that_ships_does_not_say_where_it_lay(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", DEBUG, origin=ORIGIN)
    assert run.origin == Run.open(run.path).origin == ORIGIN
    assert "started from first at step 4,500" in repr(run)
    with run.checkpoints() as store:
        store.save(1, params_at(1))
    shipped = export_params(run, 1, tmp_path / "shipped")
    assert shipped.origin is not None and shipped.origin.path is None
    assert str(shipped.origin) == str(ORIGIN)
    assert not shipped.origin.is_named("/runs/first")
    again = run.with_settings(DEBUG, data={})
    assert again.origin is None
    info = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps({**info, "init_from": ["x"]}))
    with pytest.raises(RunError, match="init_from is a list"):
        Run.open(run.path)


def test_it_is_named_by_its_folder_and_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = Origin("a", 3, str(tmp_path / "a"))
    monkeypatch.chdir(tmp_path)
    named = ["a", "a/", "a@3", "../" + tmp_path.name + "/a", tmp_path / "a"]
    assert all(map(origin.is_named, named))
    assert not any(map(origin.is_named, ["b", "a@4", "a@", "", tmp_path]))
    assert parted("x@y@3") == ("x@y", 3)
    assert parted("x@y") == ("x@y", None)
