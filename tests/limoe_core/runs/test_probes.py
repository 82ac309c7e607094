"""Probe traces and their pictures in a run."""

from __future__ import annotations

import numpy as np
import pytest

from limoe_core.runs import Run, RunError
from tests.limoe_core.runs.examples import small_trace


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
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
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
    run.save_probe_pictures(np.random.default_rng(0).integers(0, 2, (1, 32, 32, 3), np.uint8))
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
