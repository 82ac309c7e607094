"""What the strip over training says of each layer, beside plain loops."""

from __future__ import annotations

import numpy as np

from app.components.routing import Group
from app.components.training.training import strip_of
from tests.app.routing_data import numbers
from tests.limoe_core.other_traces import other_trace


def test_experts_that_tokens_chose_are_counted_without_those_of_no_choice() -> None:
    trace = other_trace().select([1])
    said = numbers(strip_of({0: trace}, 1)["said"], "<u4").reshape(trace.num_layers, 4)
    assert (trace.expert < 0).any(), "some router leaves some token alone"
    for layer in range(trace.num_layers):
        for place, modality in enumerate((0, 1)):
            chosen = trace.expert[layer, trace.modality == modality].ravel().tolist()
            assert said[layer, place] == len(set(chosen) - {-1})
        assert said[layer, 2:].tolist() == [trace.dropped[layer].sum(), trace.dropped[layer].size]


def test_a_groups_load_counts_choices_that_were_kept() -> None:
    trace = other_trace()
    group = Group.of(trace, None, 0)
    wanted = np.zeros((trace.num_layers, trace.num_experts), int)
    for layer, token, choice in np.ndindex(trace.expert.shape):
        expert = trace.expert[layer, token, choice]
        if expert >= 0 and not trace.dropped[layer, token, choice]:
            wanted[layer, expert] += 1
    np.testing.assert_array_equal(group.load, wanted)
