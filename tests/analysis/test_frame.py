from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import analysis


@pytest.mark.parametrize("top_k", [1, 2])
def test_one_row_per_layer_token_and_choice(trace_of, top_k):
    trace = trace_of(top_k=top_k)
    frame = analysis.to_frame(trace)
    assert len(frame) == trace.num_layers * trace.num_tokens * top_k
    wanted = {"layer", "pair", "modality", "position", "token", "expert", "gate", "dropped"}
    assert wanted <= set(frame.columns)
    row = 0
    for layer in range(trace.num_layers):
        for token in range(trace.num_tokens):
            for choice in range(top_k):
                found = frame.iloc[row]
                assert found["layer"] == trace.layers[layer]
                assert found["expert"] == trace.expert[layer, token, choice]
                assert found["gate"] == trace.gate[layer, token, choice]
                assert found["dropped"] == trace.dropped[layer, token, choice]
                assert found["choice"] == choice
                assert found["pair"] == trace.pair[token]
                assert found["category"] == trace.meta["category"][trace.pair[token]]
                if trace.modality[token] == 0:
                    x0, y0 = trace.box[token, :2] // 8
                    assert found["modality"] == "image"
                    assert found["token"] == f"{y0},{x0}"
                else:
                    assert found["modality"] == "text"
                    assert found["token"] == trace.piece[token]
                distribution = trace.probs[layer, token]
                assert found["entropy"] == pytest.approx(
                    -sum(p * np.log(p) for p in distribution), abs=1e-12
                )
                row += 1


def test_entropy_of_a_certain_router_is_zero_not_nan(trace_of):
    trace = trace_of(sharpness=1e4)
    assert (trace.probs == 0).any()
    assert analysis.to_frame(trace)["entropy"].abs().max() < 1e-9


def test_a_trace_without_pairs_gives_an_empty_frame(trace):
    frame = analysis.to_frame(trace.select([]))
    assert len(frame) == 0
    assert "category" in frame.columns


def test_frames_of_several_runs_stand_under_each_other():
    one, two = pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": [3]})
    joined = analysis.join_runs({"a": one, "<b>": two})
    assert joined.to_dict("list") == {"x": [1, 2, 3], "run": ["a", "a", "<b>"]}


def test_a_readable_trace_has_no_text_that_a_browser_refuses(trace):
    assert analysis.readable(trace) == trace
    captions = trace.captions.astype(object)
    captions[0], captions[1] = "half \ud800 of\0 one", "x" * 50
    odd = dataclasses.replace(trace, captions=captions.astype(str))
    found = analysis.readable(odd, 20)
    assert found.captions[0] == "half ? of one"
    assert found.captions[1] == "x" * 19 + "…"
    assert found.captions[2:].tolist() == [c[:19] + "…" if len(c) > 20 else c for c in captions[2:]]
    assert analysis.to_frame(found).equals(analysis.to_frame(trace))
