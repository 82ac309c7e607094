"""Wrong arguments of the public functions: a sentence each, and no misleading result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.errors import AnalysisError
from limoe_core.trace import RoutingTrace
from tests.analysis.conftest import make_trace

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

TRACE = make_trace()
BLOCK = int(TRACE.layers[0])
NO_TRACE = "needs a RoutingTrace.* not a str"


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: analysis.to_frame("x"), NO_TRACE),
        (lambda: analysis.to_frame(None), "not None"),
        (lambda: analysis.readable("x"), NO_TRACE),
        (lambda: analysis.first_choice_counts("x"), NO_TRACE),
        (lambda: analysis.expert_shares("x"), NO_TRACE),
        (lambda: analysis.roles("x"), NO_TRACE),
        (lambda: analysis.router_health("x"), NO_TRACE),
        (lambda: analysis.modality_specialisation("x"), NO_TRACE),
        (lambda: analysis.token_labels("x", "word"), NO_TRACE),
        (lambda: analysis.agreement_with_labels("x"), NO_TRACE),
        (lambda: analysis.expert_paths("x", "image"), NO_TRACE),
        (lambda: analysis.transitions("x"), NO_TRACE),
        (lambda: analysis.position_frame("x", BLOCK), NO_TRACE),
        (lambda: analysis.sceptics_check("x"), NO_TRACE),
        (lambda: analysis.router_saturation({0: "x"}), NO_TRACE),
        (lambda: analysis.router_saturation(TRACE), "dict of traces by step.* not a RoutingTrace"),
        (lambda: analysis.router_saturation({}), "at least one probe trace"),
        (lambda: analysis.shares_over_steps([TRACE]), "dict of traces by step.* not a list"),
        (lambda: analysis.shares_over_steps({}), "at least one probe trace"),
        (lambda: analysis.health_over_steps({}), "at least one probe trace"),
        (lambda: analysis.specialisation_over_steps({}), "at least one probe trace"),
        (lambda: analysis.probe_traces(None, 500), r"a list of steps, such as \[500\]"),
        (lambda: analysis.join_runs({}), "dict of frames by the run's name, at least one"),
        (lambda: analysis.join_runs([pd.DataFrame()]), "dict of frames"),
        (lambda: analysis.balanced_shares([[1, 2, 3]]), r"shape .* not int64 of \(1, 3\)"),
        (lambda: analysis.balanced_shares([[1, -2], [3, 4]]), "from 0 on"),
        (lambda: analysis.modality_nmi(np.ones(4)), r"not float64 of \(4,\)"),
        (lambda: analysis.modality_nmi(np.full((2, 4), np.nan)), "from 0 on"),
        (lambda: analysis.modality_nmi([["a"], ["b"]]), "must be numbers of tokens"),
        (lambda: analysis.role(-0.1, 0.5), "image_share must be between 0 and 1, not -0.1"),
        (lambda: analysis.role(0.1, np.nan), "text_share must be between 0 and 1, not nan"),
        (lambda: analysis.role("a", 0.5), "image_share must be between 0 and 1, not 'a'"),
        (lambda: analysis.modality_specialisation(TRACE, samples=0), "samples .* at least 1"),
        (lambda: analysis.modality_specialisation(TRACE, level=95), "level must be between 0"),
        (lambda: analysis.modality_specialisation(TRACE, level=1), "level must be between 0"),
        (
            lambda: analysis.expert_preferences(TRACE, BLOCK, "word", "text", samples=-1),
            "samples must be a whole number of at least 0, not -1",
        ),
        (
            lambda: analysis.expert_preferences(TRACE, str(BLOCK), "word", "text"),
            f"block '{BLOCK}'",
        ),
        (lambda: analysis.position_map(TRACE, BLOCK, 99), "no expert 99"),
        (lambda: analysis.position_map(TRACE, BLOCK, -1), "expert must be .* not -1"),
        (lambda: analysis.top_words(TRACE, BLOCK, 99), "no expert 99"),
        (lambda: analysis.top_words(TRACE, BLOCK, 0, count=-1), "count must be .* not -1"),
        (lambda: analysis.top_pieces(TRACE, BLOCK, 0, count=0), "count must be .* not 0"),
        (lambda: analysis.top_patches(TRACE, BLOCK, 0, count=2.5), "count must be .* not 2.5"),
        (lambda: analysis.top_patches(TRACE, BLOCK, 0, per_pair=0), "per_pair must be"),
        (lambda: analysis.sceptics_check(TRACE, draws=0), "draws must be"),
        (lambda: analysis.causal_specialisation(None, [1, 2], "ab"), "not the text 'ab'"),
        (lambda: analysis.causal_specialisation(None, [1], ["a", "b"]), "1 pictures but 2 texts"),
        (lambda: analysis.causal_specialisation(None, [1], ["a"], samples=0), "samples must be"),
        (lambda: analysis.data_pairs(None, count=0), "count must be"),
        (lambda: analysis.accuracy_difference(None, None, k=0), "k must be"),
        (lambda: analysis.text_colour("blue"), "written as #RRGGBB, not 'blue'"),
    ],
)
def test_a_wrong_argument_is_told(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(AnalysisError, match=sentence):
        call()


def test_no_label_that_is_frequent_enough_is_an_empty_answer() -> None:
    found = analysis.expert_preferences(TRACE, BLOCK, "word", "text", min_tokens=10**9, samples=5)
    assert found.empty


def test_an_empty_trace_has_empty_answers() -> None:
    empty: RoutingTrace = TRACE.select([])
    for measure in (
        analysis.to_frame,
        analysis.expert_shares,
        analysis.router_health,
        analysis.agreement_with_labels,
        analysis.transitions,
    ):
        measure(empty)
