"""Traces: one file, no pickle, equal after a round trip; and whatever is damaged is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.trace import RoutingTrace, TraceError


def make(seed: int = 0, pairs: int = 3, patches: int = 4, hidden: bool = True) -> RoutingTrace:
    rng = np.random.default_rng(seed)
    words = ["▁a", "pple", "リンゴ", "<0xE2>", "▁"]
    counts = rng.integers(0, 5, pairs)
    modality = np.concatenate([[0] * patches + [1] * count for count in counts])
    tokens, layers, experts, k = len(modality), 2, 5, 2
    position = np.concatenate([[*range(patches), *range(c)] for c in counts])
    rows, columns = np.divmod(position, 2)
    corners = columns, rows, columns + 1, rows + 1
    probs = rng.dirichlet(np.ones(experts), (layers, tokens))
    expert = np.argsort(-probs, axis=-1)[..., :k].astype(np.int16)
    return RoutingTrace(
        layers=np.array([2, 4], np.int32),
        modality=modality.astype(np.uint8),
        pair=np.repeat(np.arange(pairs), counts + patches).astype(np.int32),
        position=position.astype(np.int32),
        piece=np.array([words[rng.integers(5)] if m else "" for m in modality]),
        box=np.where(modality[:, None], -1, 8 * np.stack(corners, -1)).astype(np.int32),
        probs=probs,
        expert=expert,
        gate=np.take_along_axis(probs, expert.astype(int), -1),
        dropped=rng.random((layers, tokens, k)) < 0.3,
        captions=np.array(["<b>قلب</b>", "", "a b"][:pairs]),
        image_embeddings=rng.normal(size=(pairs, 6)).astype(np.float32),
        text_embeddings=rng.normal(size=(pairs, 6)).astype(np.float32),
        image_size=16,
        grid=2,
        meta={"category": np.array(["x", "y", "zz"][:pairs])},
        hidden=rng.normal(size=(layers, tokens, 3)).astype(np.float32) if hidden else None,
    )


@pytest.mark.parametrize("hidden", [True, False])
def test_a_trace_comes_back_equal(tmp_path: Path, hidden: bool) -> None:
    trace = make(hidden=hidden)
    trace.save(tmp_path / "t.npz")
    assert RoutingTrace.load(tmp_path / "t.npz") == trace
    assert RoutingTrace.load(tmp_path / "t.npz") != make(1)
    assert list(tmp_path.iterdir()) == [tmp_path / "t.npz"]


def test_half_precision_survives_a_round_trip(tmp_path: Path) -> None:
    half = make().half()
    half.save(tmp_path / "t.npz")
    back = RoutingTrace.load(tmp_path / "t.npz")
    assert back == half
    assert back.probs.dtype == np.float16
    np.testing.assert_allclose(back.probs, make().probs, rtol=2**-11, atol=1e-7)


@given(st.lists(st.integers(0, 2), max_size=5))
def test_selected_pairs_keep_their_tokens(pairs: list[int]) -> None:
    trace = make()
    some = trace.select(pairs)
    assert some.num_pairs == len(pairs)
    for new, old in enumerate(pairs):
        mine, theirs = some.pair == new, trace.pair == old
        np.testing.assert_array_equal(some.probs[:, mine], trace.probs[:, theirs])
        np.testing.assert_array_equal(some.piece[mine], trace.piece[theirs])
        assert some.captions[new] == trace.captions[old]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    "change",
    [
        {"pair": np.zeros(3, np.int32)},
        {"captions": np.array(["one"])},
        {"layers": np.array([1], np.int32)},
        {"meta": {"category": np.array(["x"])}},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict) -> None:
    with pytest.raises(TraceError):
        dataclasses.replace(make(), **change)


def test_an_expert_that_does_not_exist_is_refused() -> None:
    trace = make()
    with pytest.raises(TraceError, match="outside"):
        dataclasses.replace(trace, expert=trace.expert + 5)


def test_damaged_and_foreign_files_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    make().save(path)
    whole = path.read_bytes()
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, header=np.array([{"a": 1}], dtype=object))
    for broken in (b"", b"not a zip", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(TraceError, match="t.npz"):
            RoutingTrace.load(path)
    for other in ("foreign.npz", "pickled.npz", "missing.npz"):
        with pytest.raises(TraceError, match=other):
            RoutingTrace.load(tmp_path / other)


def test_flipped_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    make().save(path)
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = whole.copy()
        for place in rng.integers(0, len(broken), 3):
            broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            RoutingTrace.load(path)
        except TraceError:
            continue
