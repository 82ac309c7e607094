from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import analysis


def test_shares_and_purity_agree_with_a_plain_count(trace_of):
    trace = trace_of(3, pairs=12, top_k=2)
    frame = analysis.expert_shares(trace).set_index(["layer", "expert"])
    for index, layer in enumerate(trace.layers):
        for expert in range(trace.num_experts):
            row = frame.loc[(layer, expert)]
            share = {}
            for code, modality in enumerate(("image", "text")):
                tokens = [t for t in range(trace.num_tokens) if trace.modality[t] == code]
                mine = sum(expert in trace.expert[index, t] for t in tokens)
                share[modality] = mine / (2 * len(tokens))  # of two choices a token
                assert row[f"{modality}_tokens"] == mine
                assert row[f"{modality}_share"] == pytest.approx(share[modality])
            both = share["image"] + share["text"]
            assert row["image_purity"] == pytest.approx(share["image"] / both)
            assert row["text_purity"] == pytest.approx(share["text"] / both)


def test_purity_ignores_how_many_tokens_a_modality_has(trace):
    only_some_text = trace.select([0])
    frame = analysis.expert_shares(only_some_text)
    used = frame.dropna(subset="image_purity")
    assert np.allclose(used["image_purity"] + used["text_purity"], 1)
    assert frame.groupby("layer")["image_share"].sum().to_numpy() == pytest.approx(1)
    assert frame.groupby("layer")["text_share"].sum().to_numpy() == pytest.approx(1)


def test_router_health_agrees_with_a_plain_count(trace):
    frame = analysis.router_health(trace).set_index(["layer", "modality"])
    for index, layer in enumerate(trace.layers):
        for code, modality in enumerate(("image", "text")):
            mask = trace.modality == code
            row = frame.loc[(layer, modality)]
            probs = trace.probs[index][mask]
            mean = probs.mean(0)
            assert row["tokens"] == mask.sum()
            assert row["drop_rate"] == pytest.approx(trace.dropped[index][mask].mean())
            assert row["token_entropy"] == pytest.approx(
                np.mean([-(p * np.log(p)).sum() for p in probs])
            )
            assert row["mean_entropy"] == pytest.approx(-(mean * np.log(mean)).sum())
            assert row["effective_experts"] == pytest.approx(np.exp(row["mean_entropy"]))
            assert row["token_entropy"] <= row["mean_entropy"] + 1e-12  # entropy is concave


def test_a_modality_without_tokens_is_nan_not_zero(trace):
    pictures = trace.modality == 0
    cut = dataclasses.replace(
        trace,
        **{
            name: getattr(trace, name)[pictures]
            for name in ("modality", "pair", "position", "piece", "box")
        },
        **{
            name: getattr(trace, name)[:, pictures]
            for name in ("probs", "expert", "gate", "dropped")
        },
    )
    text = analysis.router_health(cut).query("modality == 'text'")
    assert (text["tokens"] == 0).all()
    assert text["drop_rate"].isna().all()
    with pytest.raises(analysis.AnalysisError, match="both"):
        analysis.modality_specialisation(cut)


def test_top_experts_keep_the_sums_and_stand_from_images_to_text(trace_of):
    frame = analysis.roles(trace_of(2, pairs=12, experts=12, layers=2))
    found = analysis.top_experts(frame, 5)
    assert found.groupby("layer").size().tolist() == [6, 6]
    assert found.groupby("layer")["experts"].sum().tolist() == [12, 12]
    for column in ("image_tokens", "text_tokens", "image_share", "text_share"):
        sums = found.groupby("layer")[column].sum().to_numpy()
        np.testing.assert_allclose(sums, frame.groupby("layer")[column].sum().to_numpy())
    for _, rows in found.groupby("layer"):
        assert rows["expert"].iloc[-1] == -1
        own = rows.iloc[:-1]
        assert own["image_purity"].is_monotonic_decreasing
        shares = own[["image_share", "text_share"]].max(axis=1).min()
        left = frame[
            (frame["layer"] == rows["layer"].iloc[0]) & ~frame["expert"].isin(own["expert"])
        ]
        assert left[["image_share", "text_share"]].max(axis=1).max() <= shares


def test_few_experts_are_all_among_the_top(trace_of):
    frame = analysis.roles(trace_of(2, experts=4))
    found = analysis.top_experts(frame, 16)
    assert sorted(found["expert"]) == sorted(frame["expert"])
