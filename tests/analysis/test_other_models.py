"""Numbers of traces that are not LIMoE's, against plain loops.

K > 1, dropless, sigmoid routers with a bias, two routers a block, experts for one modality by
design, layers of different sizes, pictures with grids of their own, tokens that are not counted.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

import analysis
from analysis.errors import AnalysisError
from limoe_core.trace import RoutingTrace
from tests.limoe_core.other_traces import other_trace

MODALITIES = ("image", "text")


@pytest.fixture(scope="module", params=[0, 7])
def trace(request: pytest.FixtureRequest) -> RoutingTrace:
    return other_trace(request.param)


def _choices(trace: RoutingTrace, layer: int, modality: str):
    """(token, its experts), best first, of one modality's tokens."""
    for token, kind in enumerate(trace.token_kinds):
        chosen = [int(e) for e in trace.expert[layer, token] if e >= 0]
        if kind == modality and chosen:
            yield token, chosen


def test_shares_count_every_choice_of_the_two_modalities_alone(trace: RoutingTrace) -> None:
    frame = analysis.expert_shares(trace)
    assert len(frame) == 6 + 4 + 6 + 4  # layers have different numbers of experts
    for layer, number in enumerate(trace.layers):
        for modality in MODALITIES:
            counts = Counter(e for _, chosen in _choices(trace, layer, modality) for e in chosen)
            total = sum(counts.values())
            rows = frame[frame["layer"] == number]
            for row in rows.to_dict("records"):
                assert row[f"{modality}_tokens"] == counts[row["expert"]]
                assert row[f"{modality}_share"] == pytest.approx(counts[row["expert"]] / total)


def test_experts_of_one_modality_by_design_are_told_apart(trace: RoutingTrace) -> None:
    roles = analysis.roles(trace, samples=20)
    by_design = roles.set_index(["layer", "expert"])["by_design"]
    assert by_design.loc[1].all() and by_design.loc[3].all()
    assert not by_design.loc[2].any() and not by_design.loc[4].any()
    used = roles[roles["layer"].isin([1, 3]) & (roles["role"] != "dead")]
    assert set(used[used["expert"] < 3]["role"]) <= {"text"}
    assert set(used[used["expert"] >= 3]["role"]) <= {"image"}
    # An even share of a modality is one third here, as it can choose three experts of the six.
    for row in roles[roles["layer"] == 1].to_dict("records"):
        most = max(row["image_share"], row["text_share"])
        assert (row["role"] == "dead") == (most <= 0.1 / 3)


def test_specialisation_stands_beside_what_design_alone_gives(trace: RoutingTrace) -> None:
    frame = analysis.modality_specialisation(trace).set_index("layer")
    assert frame["by_design"].tolist() == pytest.approx([1, 0, 1, 0])
    assert frame["nmi"][1] == pytest.approx(1)
    counted = sum(kind in MODALITIES for kind in trace.token_kinds)
    assert set(frame["tokens"]) == {counted}


def test_health_of_a_dropless_model_with_sigmoids(trace: RoutingTrace) -> None:
    health = analysis.router_health(trace).set_index(["layer", "modality"])
    assert trace.probs is not None
    for layer, number in enumerate(trace.layers):
        for modality in MODALITIES:
            row = health.loc[(number, modality)]
            tokens = [token for token, _ in _choices(trace, layer, modality)]
            shares = [trace.probs[layer, t].astype(float) for t in tokens]
            shares = [each / each.sum() for each in shares]
            entropies = [-sum(p * np.log(p) for p in each if p > 0) for each in shares]
            assert row["tokens"] == len(tokens) and row["drop_rate"] == 0
            assert row["token_entropy"] == pytest.approx(np.mean(entropies))
            mean = np.mean(shares, axis=0)
            assert row["mean_entropy"] == pytest.approx(-sum(p * np.log(p) for p in mean if p > 0))


def test_what_needs_scores_or_weights_is_missing_where_there_are_none() -> None:
    bare = other_trace(scores=False, weights=False)
    health = analysis.router_health(bare)
    assert health["token_entropy"].isna().all() and health["largest_share"].notna().all()
    assert analysis.to_frame(bare)[["gate", "entropy"]].isna().all().all()
    with pytest.raises(AnalysisError, match="no weights"):
        analysis.top_patches(bare, 1, 4)
    assert analysis.roles(bare, samples=5)["role"].notna().all()


def test_the_frame_has_a_row_for_each_choice_that_was_made(trace: RoutingTrace) -> None:
    frame = analysis.to_frame(trace)
    assert len(frame) == int((trace.expert >= 0).sum())
    assert set(frame["modality"]) == {"image", "text", "special", "system"}
    assert not len(frame[(frame["modality"] == "system") & (frame["layer"] == 1)])
    patch = frame[(frame["pair"] == 1) & (frame["modality"] == "image")]
    assert set(patch["token"]) == {
        *(f"{r},{c}" for r in range(3) for c in range(2)),
        *(f"0,{c}" for c in range(4)),
    }


def test_paths_are_of_tokens_that_every_router_chose_for(trace: RoutingTrace) -> None:
    for modality in MODALITIES:
        paths = Counter(
            tuple(int(trace.expert[layer, token, 0]) for layer in range(4))
            for token, kind in enumerate(trace.token_kinds)
            if kind == modality
        )
        frame = analysis.expert_paths(trace, modality)
        names = [f"layer_{number}" for number in trace.layers]
        found = {tuple(row[n] for n in names): row["tokens"] for row in frame.to_dict("records")}
        assert found == dict(paths)
    flows = analysis.transitions(trace)
    assert set(flows["modality"]) == set(MODALITIES)
    assert (flows["expert"] >= 0).all() and (flows["next_expert"] >= 0).all()


def test_agreement_leaves_out_tokens_without_a_choice(trace: RoutingTrace) -> None:
    wider = trace.counting(image=["image"], text=["text", "system"])
    frame = analysis.agreement_with_labels(wider, samples=5).set_index(
        ["layer", "modality", "label"]
    )
    for layer, number in enumerate(trace.layers):
        rows = [
            (trace.meta["category"][trace.pair[t]], trace.expert[layer, t, 0])
            for t in range(trace.num_tokens)
            if trace.token_kinds[t] in ("text", "system") and trace.expert[layer, t, 0] >= 0
        ]
        row = frame.loc[(number, "text", "category")]
        assert row["tokens"] == len(rows)
        labels, experts = zip(*rows, strict=True)
        assert row["ami"] == pytest.approx(adjusted_mutual_info_score(labels, experts), abs=1e-9)


def test_saturation_is_a_share_of_the_choices_made(trace: RoutingTrace) -> None:
    mixed = np.random.default_rng(0).permutation(trace.num_tokens)
    other = dataclasses.replace(trace, expert=trace.expert[:, mixed])
    frame = analysis.router_saturation({0: other, 1: trace}).set_index(
        ["step", "layer", "modality"]
    )
    for layer, number in enumerate(trace.layers):
        for modality in MODALITIES:
            shares = []
            for token, chosen in _choices(trace, layer, modality):
                then = [e for e in other.expert[layer, token] if e >= 0]
                shares.append(len({*chosen} & {*then}) / max(len(chosen), len(then)))
            assert frame.loc[(0, number, modality)]["saturation"] == pytest.approx(np.mean(shares))


def test_experts_that_are_chosen_together(trace: RoutingTrace) -> None:
    frame = analysis.coactivation(trace, samples=0).set_index(["layer", "modality"])
    for layer, number in enumerate(trace.layers):
        for modality in MODALITIES:
            met: Counter[tuple[int, int]] = Counter()
            for _, chosen in _choices(trace, layer, modality):
                met.update((one, other) for one in chosen for other in chosen if one < other)
            rows = frame.loc[(number, modality)]
            found = {
                (row["expert"], row["other"]): row["together"] for row in rows.to_dict("records")
            }
            assert {two: n for two, n in found.items() if n} == dict(met)


def test_places_of_unlike_grids_are_laid_over_one(trace: RoutingTrace) -> None:
    frame = analysis.position_frame(trace, 2)
    # Rows 2, 3 and 1, columns 3, 2 and 4: the common grid is the coarsest, 1 × 2.
    assert frame[["row", "column"]].max().tolist() == [0, 1]
    assert frame[frame["expert"] == 0]["patches"].sum() == 6 + 6 + 4
    per_cell = frame.groupby(["row", "column"])["share"].sum()
    assert per_cell.to_numpy() == pytest.approx(1)


def test_most_certain_patches_have_boxes_in_their_own_pictures(trace: RoutingTrace) -> None:
    assert trace.gate is not None
    for expert in (3, 4, 5):
        frame = analysis.top_patches(trace, 1, expert, count=3, per_pair=9)
        gates = [
            float(trace.gate[0, token, 0])
            for token, chosen in _choices(trace, 0, "image")
            if chosen[0] == expert
        ]
        assert frame["gate"].tolist() == pytest.approx(sorted(gates, reverse=True)[:3])
        assert (frame["x1"] - frame["x0"] == 8).all()
