"""Short versions of the attacks on uploads and of many readers at once."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.resilience import (
    bombs,
    client,
    leavers,
    mutations,
    opened,
    origins,
    seeds,
    sessions,
    traces,
    uploads,
)
from limoe_core.data.pictures.opening import MAX_SIDE
from limoe_core.data.pictures.structure import MAX_SCANS
from limoe_core.data.preprocess import PictureError, open_picture
from tests.app.evaluated_runs import evaluate
from tests.app.example_runs import make_small

pytestmark = pytest.mark.benchmark


def test_mutated_pictures_are_read_or_refused_with_a_sentence() -> None:
    record = uploads.mutated(500, seed=1)
    assert record.tried == 500
    assert record.failed == 0, record.how


#: Those that are read in full, which takes seconds each, but for the one of most memory.
LARGE = r"^a (transparent PNG|PNG|PNG of 16 bits|JPEG of four channels|TIFF of floats) just under"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory as Linux counts it")
@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.long)])
def test_pictures_that_ask_for_much_get_little(large: bool) -> None:
    record = uploads.bombed(lambda name: bool(re.match(LARGE, name)) == large)
    assert 0 < record.tried < len(bombs.bombs())
    assert record.failed == 0, record.how


def test_what_is_wrong_with_an_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(content: bytes, size: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.parts.pictures.decode", broken)
    assert uploads.trial(b"anything") == ("raised", "ZeroDivisionError: ")


@pytest.mark.parametrize("mutate", mutations.MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_the_same_seed_gives_the_same_damage(mutate: mutations.Mutation) -> None:
    whole = seeds.seeds()
    first, second = (
        [
            mutate(np.random.default_rng(n), content, whole)
            for n, content in enumerate(whole.values())
        ]
        for _ in range(2)
    )
    assert first == second
    assert first != list(whole.values())


def test_a_strip_beyond_the_longest_side_is_refused_and_one_up_to_it_is_read() -> None:
    with pytest.raises(PictureError, match=r"65,535 are read along a side"):
        open_picture(bombs.png(MAX_SIDE + 1, 1))
    assert open_picture(bombs.png(MAX_SIDE, 1))[0].size == (MAX_SIDE, 1)
    assert uploads.trial(bombs.png(1, MAX_SIDE)) == ("read", None)


def test_a_jpeg_of_too_many_scans_is_refused_and_a_progressive_one_is_read() -> None:
    with pytest.raises(PictureError, match="more than 100 scans"):
        open_picture(bombs.scans(MAX_SCANS))
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", progressive=True)
    assert open_picture(buffer.getvalue())[0].size == (64, 64)


def test_readers_at_once_meet_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three readers on two pages; the long version lets twenty click through everything."""
    make_small(tmp_path / "runs" / "small")
    monkeypatch.setattr(sessions, "VIEWS", sessions.VIEWS[:5])
    answers, memory = sessions.run(readers=3, seconds=6, rounds=3, runs=tmp_path / "runs")
    assert answers.failed == 0, answers.how
    assert answers.tried > 6
    assert memory.failed == 0, memory.how


def test_growing_memory_is_noticed() -> None:
    rounds = [sessions.Round(memory=mib) for mib in (500, 700, 800, 1000)]
    assert sessions._memory(rounds).failed == 1
    steady = [sessions.Round(memory=mib) for mib in (500, 790, 800, 801)]
    assert sessions._memory(steady).failed == 0


def test_an_exception_on_a_page_is_noticed() -> None:
    element = client.Element()
    element.exception.type, element.exception.message = "ValueError", "no"
    with pytest.raises(client.Trouble, match="ValueError: no"):
        client.Client._take(object.__new__(client.Client), element)


# ---- runs and traces that others have made


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated run."""
    path = tmp_path_factory.mktemp("attacked") / "small"
    evaluate(make_small(path), 20, sharpness=1.0)
    return path


def test_tampered_traces_are_refused_or_can_be_measured(small: Path) -> None:
    (record,) = traces.run(small, 100, seed=3)
    assert record.tried == 100
    assert record.failed == 0, record.how


def test_hostile_runs_take_no_page_from_the_reader_of_a_good_one(small: Path) -> None:
    (record,) = opened.run(small, lambda name: zlib.crc32(name.encode()) % 50 == 0)
    assert record.tried > 20
    assert record.failed == 0, record.how


# ---- the server


def test_only_pages_of_this_machine_open_a_session(tmp_path: Path) -> None:
    make_small(tmp_path / "runs" / "small")
    (record,) = origins.run(tmp_path / "runs")
    assert record.tried > 100
    assert record.failed == 0, record.how


def test_work_ends_with_its_readers_and_with_the_server() -> None:
    (record,) = leavers.run(3)
    assert record.failed == 0, record.how
