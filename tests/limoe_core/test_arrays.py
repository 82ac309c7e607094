"""Arrays read from archives that anybody may have made."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from benchmarks.resilience.hostile import archives
from benchmarks.resilience.hostile.cases import Harm
from limoe_core.arrays import read_arrays
from limoe_core.runs.files import DAMAGE

_TYPES = st.sampled_from(["f2", "f4", "f8", "i1", "i8", "u1", "?", "<U3", ">f4"])


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        _TYPES.flatmap(
            lambda kind: arrays_of.arrays(
                kind,
                arrays_of.array_shapes(min_dims=0, min_side=0),
                elements={"allow_nan": False} if "f" in kind else None,
            )
        ),
        max_size=3,
    ),
    st.booleans(),
)
def test_arrays_come_back_as_numpy_reads_them(stored: dict, packed: bool) -> None:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **stored)
    file.seek(0)
    found = read_arrays(file)
    assert found.keys() == stored.keys()
    for name, array in stored.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


#: Further members are read by name alone, so their names do no harm.
_HARMLESS = {"astray"}


@pytest.mark.parametrize("harm", [*archives.of_an_archive("a")], ids=lambda harm: harm.name)
def test_a_hostile_archive_is_refused_before_it_takes_memory(tmp_path: Path, harm: Harm) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(3.0))
    harm.do(path)
    error = None
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            read_arrays(file)
    except DAMAGE as found:
        error = found
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (error is None) == (harm.name in _HARMLESS)
    assert most < 20 * 2**20
