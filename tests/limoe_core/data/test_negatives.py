"""Labels of a batch: two pairs share one exactly where one is true of the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.data.negatives import copy_groups, pair_labels

ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 4),
        st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), min_size=2, max_size=2),
    ),
    min_size=1,
    max_size=8,
)


@given(ROWS)
def test_labels_agree_where_concepts_copies_or_texts_do(rows: list) -> None:
    concepts, copies = (np.array([row[i] for row in rows], np.int32) for i in (0, 1))
    texts = np.array([row[2] for row in rows], np.int32)
    labels = pair_labels(concepts, copies, texts)
    assert labels.shape == (len(rows), 4)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels[:, 0], concepts)
    np.testing.assert_array_equal(labels[:, 1], copies)
    for i, mine in enumerate(rows):
        for j, other in enumerate(rows):
            for a in range(2):
                for b in range(2):
                    assert (labels[i, 2 + a] == labels[j, 2 + b]) == (mine[2][a] == other[2][b])


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=12))
def test_copies_have_a_number_in_common(content: list[int]) -> None:
    group = copy_groups(np.array(content, np.uint64))
    if group is None:
        assert len(set(content)) == len(content)
        return
    for i, mine in enumerate(content):
        assert [group[i] == each for each in group] == [mine == other for other in content]
