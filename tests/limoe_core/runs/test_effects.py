"""Effects of changed experts, kept in a run, and what is made of them."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
from analysis import figures
from limoe_core.runs.effects import Effects, variants
from limoe_core.runs.files import RunError


def some_effects(
    pairs: int = 12, seed: int = 0, experts: tuple[int, int, int] = (4, 4, 2)
) -> Effects:
    """Of the routers 1, 2 and 4, the last of which is not measured.

    Args:
      experts: how many each of them has.
    """
    rng = np.random.default_rng(seed)
    rise = rng.normal(0, 0.1, (3, max(experts), 2, pairs)).astype(np.float32)
    rise[0, 1, 0] += 1
    rise[1, 2, 1] = -0.5
    rise[0, 0, 1] = 0
    tokens = rng.integers(1, 50, (3, max(experts), 2))
    for router, count in enumerate(experts):
        tokens[router, count:] = -1
        rise[router, count:] = np.nan
    rise[2] = np.nan
    return Effects(
        question=np.array("q"),
        measure=np.array("loss of the caption's tokens"),
        unit=np.array("nats"),
        chance=np.array(6.2),
        variant=np.array("next best"),
        layers=np.array([1, 2, 4], np.int32),
        kinds=np.array(["image", "text"]),
        baseline=rng.normal(5, 0.2, pairs),
        rise=rise,
        tokens=tokens.astype(np.int64),
    )


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    effects = some_effects()
    folder = tmp_path / "causes"
    assert variants(folder) == []
    effects.save(folder)
    assert variants(folder) == ["next best"]
    again = Effects.load(folder, "next best")
    for field in dataclasses.fields(Effects):
        kept, read = getattr(effects, field.name), getattr(again, field.name)
        assert np.array_equal(kept, read, equal_nan=kept.dtype.kind == "f"), field.name
    assert not again.is_whole
    with pytest.raises(RunError, match="not there"):
        Effects.load(folder, "none")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rise": np.zeros((3, 4, 2, 5), np.float32)},
        {"rise": np.full((3, 4, 2, 12), np.inf, np.float32)},
        {"tokens": np.zeros((3, 4, 1), np.int64)},
        {"layers": np.array([1, 1, 2])},
        {"kinds": np.array([1, 2])},
        {"baseline": np.full(12, np.nan)},
        {"measure": np.array("m" * 2000)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    some_effects().save(tmp_path)
    (file,) = tmp_path.iterdir()
    np.savez_compressed(file, **(dataclasses.asdict(some_effects()) | wrong))
    with pytest.raises(RunError, match="damaged"):
        Effects.load(tmp_path, "next best")


@given(
    st.dictionaries(st.integers(1, 5), st.integers(1, 6), min_size=1),
    st.sampled_from([(4, 4, 2), (3, 4, 4), (6, 4, 1)]),
)
def test_effects_of_other_routers_are_refused(
    experts: dict[int, int], kept: tuple[int, int, int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        some_effects(3, experts=kept).save(Path(name))
        if all(experts.get(number) == count for number, count in zip((1, 2, 4), kept, strict=True)):
            Effects.load(Path(name), "next best", experts=experts)
            return
        with pytest.raises(RunError, match="the run's model"):
            Effects.load(Path(name), "next best", experts=experts)


def test_effects_of_another_change_are_refused(tmp_path: Path) -> None:
    some_effects().save(tmp_path)
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / "effects-none.npz")
    with pytest.raises(RunError, match="of the change 'next best', not 'none'"):
        Effects.load(tmp_path, "none")


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_flipped_byte_gives_a_sentence_or_effects(place: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        some_effects(3).save(Path(name))
        (file,) = Path(name).glob("*.npz")
        content = bytearray(file.read_bytes())
        content[place % len(content)] = value
        file.write_bytes(bytes(content))
        try:
            found = Effects.load(Path(name), "next best")
        except RunError:
            return
        assert found.rise.shape == (3, 4, 2, 3)


def test_the_frame_has_means_and_intervals_of_what_was_measured() -> None:
    effects = some_effects()
    frame = analysis.recorded_causes(effects)
    assert len(frame) == 16 and set(frame["layer"]) == {1, 2}
    rng = np.random.default_rng(0)
    for row in frame.itertuples():
        kind = ["image", "text"].index(row.kind)
        rises = effects.rise[[1, 2, 4].index(row.layer), row.expert, kind].astype(float)
        assert row.rise == pytest.approx(rises.mean())
        means = [rng.choice(rises, len(rises)).mean() for _ in range(400)]
        low, high = np.quantile(means, [0.025, 0.975])
        assert abs(row.low - low) < 0.04 and abs(row.high - high) < 0.04
        assert row.low <= row.rise + 1e-9 and row.rise <= row.high + 1e-9
    by = frame.set_index(["layer", "expert", "kind"])
    assert by.loc[(1, 1, "image"), "effect"] == "rises"
    assert by.loc[(2, 2, "text"), "effect"] == "falls"
    assert by.loc[(1, 0, "text"), "effect"] == ""
    assert set(frame["pairs"]) == {12} and set(frame["chance"]) == {6.2}


def test_one_router_alone_and_its_figure() -> None:
    frame = analysis.recorded_causes(some_effects(), 2)
    assert set(frame["layer"]) == {2} and len(frame) == 8
    hostile = figures.recorded_causes_figure(
        frame.assign(kind="<a href='https://example.org'>%{x}"), "<b>loss"
    )
    assert "<a" not in hostile.to_json() and "<b>" not in hostile.to_json()
    assert "\\u003ca" not in hostile.to_json()
    figure = figures.recorded_causes_figure(frame, "loss, nats")
    assert [bar.name for bar in figure.data] == [
        "changed for image tokens",
        "changed for text tokens",
    ]
    assert np.array_equal(figure.data[0].y, frame[frame["kind"] == "image"]["rise"])
    assert analysis.recorded_causes(some_effects(), 4).empty
    with pytest.raises(analysis.AnalysisError, match="no router 3"):
        analysis.recorded_causes(some_effects(), 3)
    with pytest.raises(analysis.AnalysisError, match="samples"):
        analysis.recorded_causes(some_effects(), samples=0)
