"""Records of experts that no model was asked for."""

from __future__ import annotations

import dataclasses

import numpy as np

from limoe_core.evaluation.unlearned import UNLEARNED
from limoe_core.runs.experts import Causal, ExpertRecord, OtherRouters, Removal
from limoe_core.trace import Routers, RoutingTrace


def record_of(trace: RoutingTrace, step: int, seed: int = 0) -> ExpertRecord:
    """A record with the decisions of a trace; all else is made up."""
    rng = np.random.default_rng(seed)
    layers, experts, pairs = trace.num_layers, trace.num_experts, trace.num_pairs
    routers = Routers(np.full(layers, experts, np.int32), trace.names, capacity_factor=1.0)
    none = np.zeros((pairs, 0), np.float32)
    bare = dataclasses.replace(
        trace, probs=None, routers=routers, image_embeddings=none, text_embeddings=none
    )
    losses = rng.random((2, 3, 4, 8)).cumsum(axis=2)
    return ExpertRecord(
        told={
            "step": step,
            "data": "emoji/base:2.0.0",
            "splits": {"test_style": pairs - 1, "validation": 1},
            "seed": 0,
            "group": 64,
            "capacity_factor": 1.0,
        },
        trace=bare,
        mean_probs=rng.dirichlet(np.ones(experts), size=(layers, 2)),
        token_entropy=rng.random((layers, 2)),
        untrained=rng.integers(9, size=(layers, pairs, 2, experts)),
        others=OtherRouters(
            UNLEARNED, rng.integers(1, 99, size=(len(UNLEARNED), layers, 5, 2, experts)), pairs
        ),
        causal=Causal(
            "test_style",
            rng.normal(0.1, 0.1, size=(layers, experts, 2, 12)),
            rng.random(12),
            rng.integers(99, size=(layers, 2, experts)),
        ),
        removal=Removal(np.array([0, 1, 3, 6]), losses, rng.random((2, 3, 4, 8)) < 0.5),
    )
