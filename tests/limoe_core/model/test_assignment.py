"""Assignment, against a queue of tokens served one at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limoe_core.model.assignment import assign, capacity, capacity_of
from tests.limoe_core.model.by_hand import (
    SHAPES,
    Case,
    assign_by_hand,
    cases,
    run,
)


@given(cases())
def test_assignment_agrees_with_the_queue(case: Case) -> None:
    for name, found, wanted in zip(
        ("expert", "slot", "kept"), run(case), assign_by_hand(case), strict=True
    ):
        np.testing.assert_array_equal(found, wanted, err_msg=name)


@given(cases())
def test_no_expert_over_capacity_and_no_place_used_twice(case: Case) -> None:
    expert, slot, kept = run(case)
    places = list(zip(expert[kept], slot[kept], strict=True))
    assert len(set(places)) == len(places)
    assert np.all((slot[kept] >= 0) & (slot[kept] < case.capacity))
    assert np.all(slot[~kept] == -1)
    assert np.bincount(expert[kept], minlength=1).max(initial=0) <= case.capacity


@given(cases())
def test_places_fill_from_the_first_and_nothing_is_dropped_while_there_is_room(case: Case) -> None:
    expert, slot, kept = run(case)
    for e in range(case.gates.shape[1]):
        used = sorted(slot[kept & (expert == e)])
        assert used == list(range(len(used)))
        wanted = np.sum((expert == e) & case.valid[:, None])
        assert len(used) == min(wanted, case.capacity)


@given(cases())
def test_padding_goes_nowhere_and_changes_nothing(case: Case) -> None:
    expert, slot, kept = run(case)
    assert np.all(expert[~case.valid] == -1)
    assert np.all(slot[~case.valid] == -1)
    assert not np.any(kept[~case.valid])
    other = case._replace(gates=np.where(case.valid[:, None], case.gates, np.float32(7)))
    for found, wanted in zip(run(other), (expert, slot, kept), strict=True):
        np.testing.assert_array_equal(found, wanted)
    if case.valid.any():
        alone = case._replace(gates=case.gates[case.valid], valid=np.ones(case.valid.sum(), bool))
        for found, wanted in zip(assign_by_hand(alone), (expert, slot, kept), strict=True):
            np.testing.assert_array_equal(found, wanted[case.valid])


@given(cases())
def test_a_token_chooses_its_largest_gates_best_first(case: Case) -> None:
    expert, _, _ = run(case)
    for i in np.flatnonzero(case.valid):
        chosen = case.gates[i, expert[i]]
        assert len(set(expert[i])) == case.top_k
        np.testing.assert_array_equal(chosen, np.sort(case.gates[i])[::-1][: case.top_k])


@given(SHAPES, st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(1, 6))
def test_under_bpr_the_order_of_tokens_does_not_matter(
    shape: tuple[int, int], seed: int, top_k: int, places: int
) -> None:
    n, experts = shape
    rng = np.random.default_rng(seed)
    gates = rng.permutation(n * experts).reshape(n, experts).astype(np.float32)  # no two alike
    valid = rng.random(n) < 0.8
    order = rng.permutation(n)
    case = Case(gates, valid, top_k, places, True)
    shuffled = case._replace(gates=gates[order], valid=valid[order])
    for found, wanted in zip(run(shuffled), run(case), strict=True):
        np.testing.assert_array_equal(found, wanted[order])


def test_bpr_keeps_the_surest_token_and_order_of_position_the_first() -> None:
    gates = jnp.asarray([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3]])
    valid = jnp.ones(3, bool)
    assert assign(gates, valid, 1, 1, batch_priority=True).kept[:, 0].tolist() == [0, 1, 0]
    assert assign(gates, valid, 1, 1, batch_priority=False).kept[:, 0].tolist() == [1, 0, 0]
    assert assign(gates, valid, 1, 1).kept[:, 0].tolist() == [0, 1, 0], "BPR is the default"


def test_second_choices_wait_for_all_first_choices() -> None:
    """Token 0 is the surest, but its second choice comes after the first choice of token 1."""
    gates = jnp.asarray([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]])
    found = assign(gates, jnp.ones(2, bool), 2, 1)
    assert found.expert.tolist() == [[0, 1], [1, 2]]
    assert found.kept.tolist() == [[True, False], [True, True]]


def test_ties_go_to_the_earlier_token_and_the_lower_expert() -> None:
    found = assign(jnp.full((4, 3), 0.5), jnp.ones(4, bool), 2, 2)
    assert found.expert.tolist() == [[0, 1]] * 4
    assert found.slot.tolist() == [[0, 0], [1, 1], [-1, -1], [-1, -1]]


@pytest.mark.training
@settings(max_examples=20)
@given(cases())
def test_capacity_may_be_a_plain_number(case: Case) -> None:
    gates, valid = jnp.asarray(case.gates), jnp.asarray(case.valid)
    plain = assign(gates, valid, case.top_k, case.capacity, batch_priority=case.batch_priority)
    for found, wanted in zip(plain, run(case), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_zeros_of_either_sign_tie() -> None:
    found = assign(jnp.asarray([[-0.0, 0.0, -1.0]]), jnp.ones(1, bool), 2, 1)
    assert found.expert.tolist() == [[0, 1]]


def test_shapes_and_types() -> None:
    found = assign(jnp.zeros((5, 4)), jnp.ones(5, bool), 3, 2)
    assert found.expert.shape == found.slot.shape == found.kept.shape == (5, 3)
    assert found.expert.dtype == found.slot.dtype == jnp.int32
    assert found.kept.dtype == bool


@given(
    st.integers(1, 20_000),
    st.integers(1, 4),
    st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(21, 20), Fraction(5, 4), Fraction(2)]),
    st.sampled_from([4, 8, 12, 32]),
)
def test_capacity_is_the_ceiling_of_a_share(
    tokens: int, top_k: int, factor: Fraction, experts: int
) -> None:
    exact = math.ceil(top_k * tokens * factor / experts)
    assert capacity(tokens, top_k, float(factor), experts) == max(1, min(tokens, exact))


@pytest.mark.parametrize(("tokens", "factor"), [(47_621, 1.05), (90_911, 1.1), (200_005, 1.25)])
def test_places_fit_the_buffer_of_a_large_group(tokens: int, factor: float) -> None:
    """A token with a place beyond its expert's buffer would land in the next expert's."""
    buffer = capacity(tokens, 1, factor, 2)
    places = capacity_of(jnp.int32(tokens), 1, factor, 2, buffer)
    assert buffer - 1 <= places <= buffer
