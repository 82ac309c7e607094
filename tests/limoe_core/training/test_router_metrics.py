"""Statistics of routers against plain loops, and what is written of them."""

from __future__ import annotations

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from limoe_core.losses.sums import RouterSums
from limoe_core.training.router_metrics import STATISTIC_SUMS, plain, router_statistics
from tests.limoe_core.losses.routed import of_modality, random_tokens, softmax


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("top_k", [1, 2])
def test_statistics_are_those_of_a_plain_loop(seed: int, top_k: int) -> None:
    group = random_tokens(seed, top_k=top_k)
    told = router_statistics(RouterSums.of(group, STATISTIC_SUMS))
    probs = softmax(np.asarray(group.routing.logits))
    assignment = jax.tree.map(np.asarray, group.routing.assignment)
    for code, name in enumerate(("image", "text")):
        mine = of_modality(group, code)
        n = max(len(mine), 1)
        share = [sum(assignment.expert[i, 0] == e for i in mine) / n for e in range(4)]
        dropped = sum(1 - assignment.kept[i].sum() / top_k for i in mine) / n
        local = sum(-sum(p * math.log(p) for p in probs[i]) for i in mine) / n
        mean = [sum(probs[i, e] for i in mine) / n for e in range(4)]
        spread = -sum(p * math.log(p) for p in mean if p > 0)
        np.testing.assert_allclose(told["share"][name], share, rtol=1e-6)
        np.testing.assert_allclose(told["dropped"][name], dropped, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(told["local_entropy"][name], local, rtol=1e-5)
        np.testing.assert_allclose(told["global_entropy"][name], spread, rtol=1e-5, atol=1e-6)


def test_arrays_become_plain_numbers_of_six_digits() -> None:
    values = {"a": jnp.float32(1 / 3), "b": [np.int64(7), True, None], "c": jnp.ones((2, 1))}
    found = plain(values)
    assert found == {"a": 0.333333, "b": [7, True, None], "c": [[1.0], [1.0]]}
    assert json.loads(json.dumps(found)) == found
