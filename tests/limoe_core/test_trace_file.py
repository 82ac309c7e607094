"""Format 2: what other models' traces need comes back equal, and what is wrong is said in words."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.trace import OTHER, Routers, RoutingTrace, TraceError
from limoe_core.trace.__main__ import main
from tests.limoe_core.other_traces import KINDS, other_trace
from tests.limoe_core.test_trace import make

OLD = Path(__file__).with_name("trace-format-1.npz")


def _saved(trace: RoutingTrace, **options: Any) -> io.BytesIO:
    """The file of a trace, in memory."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        trace.save(Path(folder) / "t.npz", **options)
        return io.BytesIO((Path(folder) / "t.npz").read_bytes())


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(_saved(other_trace()), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _changed(arrays: dict[str, np.ndarray], **changes: Any) -> io.BytesIO:
    file = io.BytesIO()
    said = json.loads(str(arrays["header"])) | changes.pop("header", {})
    kept = {**arrays, **changes, "header": np.array(json.dumps(said))}
    np.savez(file, **{name: array for name, array in kept.items() if array is not None})
    file.seek(0)
    return file


def test_a_file_of_format_1_is_read_for_ever() -> None:
    assert RoutingTrace.load(OLD) == make()


@pytest.mark.parametrize(
    "trace", [other_trace(), other_trace(1, scores=False, weights=False)], ids=["all", "choices"]
)
def test_another_models_trace_comes_back_equal(trace: RoutingTrace) -> None:
    back = RoutingTrace.load(_saved(trace))
    assert back == trace
    assert back.pictures is not None and trace.pictures is not None
    assert back.pictures.content == trace.pictures.content
    assert back.names == trace.names and back.made_by == trace.made_by
    assert set(back.token_kinds[back.modality == OTHER]) == {"special", "system"}


@pytest.mark.parametrize("steps", [31, 255, 65_535])
def test_gates_in_steps_are_as_near_as_is_said(steps: int) -> None:
    trace = other_trace()
    back = RoutingTrace.load(_saved(trace, gate_steps=steps))
    assert back.gate is not None and trace.gate is not None
    off = np.abs(back.gate.astype(float) - trace.gate.astype(float)).max()
    assert off <= 2.5 / (2 * steps) + 2.5 * 2**-11


def test_the_least_that_another_tool_has_to_write_is_a_trace() -> None:
    file = io.BytesIO()
    said = {
        "format": 2,
        "kinds": ["text", "image"],
        "routers": [{"number": 3, "name": "gate", "experts": 4}],
        "image_size": 16,
        "grid": 2,
    }
    np.savez(
        file,
        header=np.array(json.dumps(said)),
        expert=np.array([[[0], [1], [2], [3], [3], [1]]], np.int64),
        pair=np.array([0, 0, 0, 0, 0, 1]),
        kind=np.array([1, 1, 1, 1, 0, 0], np.uint8),
        captions=np.array(["a", "b"]),
    )
    trace = RoutingTrace.load(file)
    assert trace.modality.tolist() == [0, 0, 0, 0, 1, 1]
    assert trace.position.tolist() == [0, 1, 2, 3, 0, 0]
    assert trace.box.tolist()[3] == [8, 8, 16, 16]
    assert trace.probs is None and trace.gate is None and not trace.dropped.any()
    assert trace.num_experts == 4 and trace.scoring == "unknown"


def test_selected_pairs_keep_their_pictures() -> None:
    trace = other_trace()
    some = trace.select([1, 1, 0])
    assert some.pictures is not None and trace.pictures is not None
    assert some.pictures.pair.tolist() == [0, 0, 1, 1, 2]
    assert some.pictures.columns.tolist() == [2, 4, 2, 4, 3]
    assert RoutingTrace.load(_saved(some)) == some
    again = some.select([2])
    assert again == trace.select([0])


def test_joined_traces_are_those_of_all_pairs() -> None:
    trace = other_trace()
    parts = [trace.select([0]), trace.select([1, 2])]
    assert RoutingTrace.joined(parts) == trace
    bare = other_trace(scores=False, weights=False)
    assert RoutingTrace.joined([bare.select([0, 1]), bare.select([2])]) == bare
    with pytest.raises(TraceError, match="scoring"):
        RoutingTrace.joined([trace, _with_rule(trace)])


def _with_rule(trace: RoutingTrace) -> RoutingTrace:
    import dataclasses

    assert trace.routers is not None
    return dataclasses.replace(trace, routers=dataclasses.replace(trace.routers, scoring="sigmoid"))


def test_other_kinds_count_where_they_are_asked_for() -> None:
    trace = other_trace()
    wider = trace.counting(image=["image"], text=["text", "system"])
    assert (wider.modality == 1).sum() == np.isin(trace.token_kinds, ["text", "system"]).sum()
    assert np.array_equal(wider.token_kinds, trace.token_kinds)
    assert RoutingTrace.load(_saved(wider)) == wider
    with pytest.raises(TraceError, match="'words'"):
        trace.counting(image=["image"], text=["words"])


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expert": lambda a: _with(a, (1, 3, 0), 4)}, r"expert\[1, 3, 0\] is 4, outside 0..3"),
        ({"expert": lambda a: _with(a, (1, 3, 0), -1)}, r"expert\[1, 3, 0\]: a choice follows -1"),
        ({"expert": lambda a: _with(a, (0, 5), 5)}, "twice"),
        ({"expert": lambda a: a.astype(float)}, "expert is float64"),
        ({"expert": lambda a: a[..., :0], "gate": lambda a: None}, "no token chooses anything"),
        ({"pair": lambda a: _with(a, 4, 9)}, r"pair\[4\] is 9, a pair outside 0..2"),
        ({"pair": lambda a: a[:-1]}, "pair has .* tokens, and expert"),
        ({"kind": lambda a: _with(a, 0, 7)}, "kind holds 7"),
        ({"gate": lambda a: _with(a, (0, 2, 0), np.nan)}, r"gate\[0, 2, 0\] is nan"),
        ({"gate": lambda a: (a * 100).astype(np.uint8)}, "gate_steps"),
        ({"probs": lambda a: _with(a, (2, 1, 0), 1.5)}, r"probs\[2, 1, 0\] is 1.5"),
        ({"probs": lambda a: a[..., :3]}, r"routers.experts\[0\] is 6, not 1 to 3"),
        ({"position": lambda a: _with(a, 2, 40)}, r"position\[2\] is 40, outside of its picture"),
        ({"position": lambda a: _with(a, 2, 1)}, "two tokens have one place"),
        ({"picture": lambda a: _with(a, 2, 5)}, r"picture\[2\] is 5, outside 0..2"),
        ({"picture": lambda a: _with(a, 2, 1)}, r"picture\[2\] is of another pair"),
        ({"picture": lambda a: _with(a, 0, 0)}, "token 0 has a picture and is no image token"),
        ({"pictures.rows": lambda a: a * 0}, "pictures.rows holds numbers below 1"),
        ({"pictures.columns": lambda a: a * 0}, "pictures.columns"),
        ({"pictures.width": lambda a: None}, "pictures.width is missing"),
        ({"pictures.end": lambda a: a - 1}, "pictures.end"),
        ({"reachable": lambda a: a & False}, "cannot reach"),
        ({"reachable": lambda a: a[:, :2]}, "reachable has shape"),
        ({"captions": lambda a: None}, "captions missing"),
        ({"header": {"kinds": ["image"]}}, "kinds"),
        ({"header": {"kinds": "image"}}, "no list of names"),
        ({"header": {"routers": [{}] * 4}}, r"routers\[0\].number"),
        ({"header": {"scaling": 0}}, "scaling"),
        ({"header": {"capacity_factor": "none"}}, "capacity_factor"),
        ({"header": {"made_by": {"a": 1}}}, "made_by"),
        ({"header": {"format": 3}}, "newer"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    arrays: dict[str, np.ndarray], change: dict[str, Any], words: str
) -> None:
    made = {
        name: value(arrays[name]) if callable(value) else value for name, value in change.items()
    }
    with pytest.raises(TraceError, match=words):
        RoutingTrace.load(_changed(arrays, **made))


def _with(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


def test_a_header_cannot_ask_for_more_than_is_there(arrays: dict[str, np.ndarray]) -> None:
    routers = [{"number": r + 1, "name": f"r{r}", "experts": 4096} for r in range(4)]
    many = np.array(["x"] * 2**12)
    file = _changed(
        arrays, header={"routers": routers}, captions=many, probs=None, reachable=None, bias=None,
        **{"meta.category": None},
    )  # fmt: skip
    with pytest.raises(TraceError, match="keep fewer pairs"):
        RoutingTrace.load(file)


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=5), st.just({}),
    st.lists(st.integers(-3, 300), max_size=4), st.floats(allow_nan=False),
)  # fmt: skip
_TAMPERINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "empty": lambda a: a[:0] if a.ndim else a,
    "half": lambda a: a[: len(a) // 2] if a.ndim else a,
    "twice": lambda a: np.concatenate([a, a]) if a.ndim else a,
    "flat": lambda a: a.reshape(-1),
    "more": lambda a: a[None],
    "negative": lambda a: -a - 1 if a.dtype.kind in "if" else a,
    "huge": lambda a: np.full_like(a, np.iinfo(a.dtype).max) if a.dtype.kind in "iu" else a,
    "wide": lambda a: a.astype(np.int64) if a.dtype.kind in "iu" else a,
    "bytes": lambda a: a.astype(np.uint8) if a.dtype.kind in "iub" else a,
    "zeros": lambda a: np.zeros_like(a),
}


@pytest.mark.usefixtures("unchecked_shapes")
@given(st.data())
def test_no_wrong_array_or_header_escapes_as_another_error(data: st.DataObject) -> None:
    with np.load(_saved(other_trace()), allow_pickle=False) as file:
        good = {name: file[name] for name in file.files}
    changes: dict[str, Any] = {}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(good)))
        if name == "header":
            key = data.draw(st.sampled_from(sorted(json.loads(str(good["header"])))))
            changes["header"] = {key: data.draw(_VALUES)}
        else:
            changes[name] = _TAMPERINGS[data.draw(st.sampled_from(sorted(_TAMPERINGS)))](good[name])
    with suppress(TraceError):
        RoutingTrace.load(_changed(good, **changes))


@pytest.mark.usefixtures("unchecked_shapes")
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 7)), max_size=3), st.floats(0, 1))
def test_flipped_and_cut_files_never_escape_as_another_error(
    flips: list[tuple[int, int]], cut: float
) -> None:
    broken = bytearray(_saved(other_trace()).getvalue())
    for place, bit in flips:
        broken[place % len(broken)] ^= 1 << bit
    if not flips:
        broken = broken[: int(cut * len(broken))]
    with suppress(TraceError):
        RoutingTrace.load(io.BytesIO(bytes(broken)))


def test_the_command_says_what_is_in_a_file_and_what_is_wrong(
    tmp_path: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    other_trace().save(good)
    bad.write_bytes(_changed(arrays, pair=arrays["pair"] + 9).getvalue())
    assert main([str(good)]) == 0
    assert "4 routers, sigmoid, chosen with a bias; 6 experts" in capsys.readouterr().out
    assert main([str(good), str(bad)]) == 1
    assert "bad.npz: trace: pair[0] is 9, a pair outside 0..2" in capsys.readouterr().out
    assert main([]) == 2


def test_routers_need_to_say_how_many_experts_there_are() -> None:
    with pytest.raises(TraceError, match="each has one"):
        Routers(np.array([4, 4], np.int32), ("one",))


def test_the_page_on_the_format_names_every_array(arrays: dict[str, np.ndarray]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "trace-format.md").read_text(encoding="utf-8")
    for name in arrays:
        short = name.removeprefix("pictures").removeprefix("meta.category") or "meta.NAME"
        assert f"`{short}`" in page or f"`{name}`" in page, name
    assert set(KINDS) - {"image", "text"} <= set(page.replace("`", " ").replace('"', " ").split())


def _least(kinds: list[str], tokens: int) -> io.BytesIO:
    said = {"format": 2, "kinds": kinds, "routers": [{"number": 1, "name": "a", "experts": 2}]}
    file = io.BytesIO()
    codes = np.zeros(tokens, np.uint8)
    np.savez_compressed(
        file,
        header=np.array(json.dumps(said)),
        expert=codes[None, :, None],
        pair=codes,
        kind=codes + np.uint8(1),
        captions=np.array(["a"]),
    )
    file.seek(0)
    return file


def test_a_small_file_cannot_ask_for_memory_for_each_of_very_many_tokens() -> None:
    with pytest.raises(TraceError, match="5,000,000 tokens"):
        RoutingTrace.load(_least(["image", "text"], 5_000_000))
    with pytest.raises(TraceError, match="name among kinds"):
        RoutingTrace.load(_least(["image", "x" * 4_000], 3))
