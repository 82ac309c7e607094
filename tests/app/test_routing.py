"""The Routing page: what it shows is what the routers did."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import analysis
from app.components.contact_sheet import contact_sheet
from app.components.routing import Group, payload
from app.components.routing.payload import direction
from app.components.training.training import strip_of
from app.pair.chosen import first_example
from app.parts import pictures
from app.views.routing.page import _spread
from app.views.routing.routed import ALONE, ways
from limoe_core.model.assignment import capacity
from limoe_core.runs.directory import Run
from limoe_core.trace import RoutingTrace
from tests.app.example_runs import PAIRS, picture, small_config
from tests.app.one_page import told
from tests.app.routing_data import numbers, unpacked
from tests.app.test_shell import said
from tests.limoe_core.other_traces import other_trace

Opened = Callable[..., AppTest]


def figure(page: AppTest) -> dict[str, Any]:
    """What the routing view was given."""
    assert not page.exception
    return unpacked(told(page, "routing"))


def type_text(page: AppTest, text: str) -> AppTest:
    return page.text_input(key="text").set_value(text).run()


@pytest.fixture(scope="session")
def small(runs_folder: Path) -> Run:
    return Run.open(runs_folder / "small")


@pytest.fixture(scope="session")
def probe(small: Run) -> RoutingTrace:
    return small.probe(20)


# ---- what the view is given


def test_every_number_of_the_trace_reaches_the_view(probe: RoutingTrace) -> None:
    group = Group.of(probe, 1.25, 20)
    one = probe.select([2])
    data = unpacked(payload(one, group, title="t", file="f", picture=None))
    assert one.probs is not None and one.gate is not None
    for layer in range(one.num_layers):
        for token in range(one.num_tokens):
            assert data["expert"][layer][token] == [int(e) for e in one.expert[layer, token]]
            assert data["probs"][layer][token] == pytest.approx(
                [float(p) for p in one.probs[layer, token]], abs=6e-5
            )
            assert data["gate"][layer][token] == pytest.approx(
                [float(g) for g in one.gate[layer, token]], abs=6e-5
            )
            assert data["dropped"][layer][token] == [int(d) for d in one.dropped[layer, token]]
    assert [token["piece"] for token in data["tokens"]] == list(one.piece)
    assert [token["m"] for token in data["tokens"]] == list(one.modality)
    assert data["layers"] == [1, 2]
    assert data["direction"] == "rtl"
    json.dumps(data)


def test_a_large_pair_is_sent_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(payload.__globals__, "MOST_CHOICES", 10)
    trace = other_trace().select([1])
    group = Group.of(trace, 0.0, 0)
    options: dict[str, Any] = {"title": "t", "file": "f", "picture": None, "pictures": []}
    for layer in (1, 2):
        data = unpacked(payload(trace, group, **options, layer=layer))
        assert data["routed"]["layers"] == [layer - 1] and data["firsts"] is None
        assert data["expert"] == trace.expert[layer - 1 : layer].tolist()
        assert trace.gate is not None
        assert np.allclose(data["gate"], trace.gate[layer - 1 : layer], atol=2.5 / 500)
    data = payload(trace, group, **options, layer=1, every_layer=True)
    first = numbers(data["firsts"], "u1").reshape(4, -1)
    assert np.array_equal(np.where(first == 255, -1, first.astype(int)), trace.expert[..., 0])
    assert [each["piece"] for each in unpacked(data)["tokens"]] == trace.piece.tolist()


def test_another_routing_has_another_id_and_the_same_one_the_same(probe: RoutingTrace) -> None:
    group = Group.of(probe, 1.25, 20)

    def identity(pair: int) -> str:
        return payload(probe.select([pair]), group, title="", file="", picture=None)["id"]

    assert identity(0) == identity(0) != identity(1)


def test_a_view_shows_one_pair(probe: RoutingTrace) -> None:
    group = Group.of(probe, 1.25, 20)
    with pytest.raises(ValueError, match="one pair"):
        payload(probe, group, title="", file="", picture=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red apple", "ltr"),
        ("تفاحة", "rtl"),
        ("سیب قرمز", "rtl"),
        ("שלום", "rtl"),
        ("123 תפוח apple", "rtl"),
        ("… apple تفاحة", "ltr"),
        ("赤いりんご", "ltr"),
        ("", "ltr"),
        ("123", "ltr"),
    ],
)
def test_the_first_letter_with_a_direction_decides(text: str, expected: str) -> None:
    assert direction(text) == expected


# ---- the routing group


@given(
    tokens=st.integers(1, 20000),
    top_k=st.integers(1, 4),
    experts=st.integers(4, 64),
    factor=st.sampled_from([0.5, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0, 3.3]),
)
def test_the_capacity_that_is_shown_is_the_router_s(
    tokens: int, top_k: int, experts: int, factor: float
) -> None:
    group = Group(1, tokens, top_k, experts, factor, np.zeros((1, experts), np.int64), 0)
    assert group.capacity == capacity(tokens, top_k, factor, experts)


def test_places_taken_are_counted_over_the_whole_group(probe: RoutingTrace) -> None:
    group = Group.of(probe, 1.25, 20)
    for layer in range(probe.num_layers):
        for expert in range(probe.num_experts):
            taken = sum(
                probe.expert[layer, token, choice] == expert
                and not probe.dropped[layer, token, choice]
                for token in range(probe.num_tokens)
                for choice in range(probe.top_k)
            )
            assert group.load[layer, expert] == taken
            assert group.capacity is not None
            assert taken <= group.capacity


def test_the_sentence_names_the_group_and_the_capacity(probe: RoutingTrace) -> None:
    together = Group.of(probe, 1.25, 20)
    expected = math.ceil(probe.num_tokens * 1.25 / 4)
    assert "one group of 6 pairs" in together.sentence
    assert f"at most {expected:,} tokens" in together.sentence
    alone = Group.of(probe.select([0]), 0.0, 20)
    assert "Routed alone" in alone.sentence
    assert "unlimited" in alone.sentence


# ---- small parts


def test_the_contact_sheet_holds_each_picture_in_its_place() -> None:
    shown = np.stack([np.full((8, 8, 3), 10 * i, np.uint8) for i in range(19)])
    sheet = contact_sheet(shown, side=8)
    content = base64.b64decode(sheet.src.split(",")[1])
    whole = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert whole.shape == (8 * sheet.rows, 8 * sheet.columns, 3)
    for i in range(19):
        row, column = divmod(i, sheet.columns)
        middle = whole[8 * row + 4, 8 * column + 4]
        assert np.abs(middle - 10 * i).max() <= 12  # WebP is lossy


def test_pixels_and_bytes_are_inverses() -> None:
    shown = picture(3)
    assert np.array_equal(pictures.to_bytes(pictures.to_pixels(shown)), shown)


def test_the_first_example_is_an_english_one(probe: RoutingTrace) -> None:
    assert PAIRS[first_example(probe)][1] == "en"


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=80), st.integers(2, 30))
def test_steps_are_thinned_out_but_for_the_ends(steps: set[int], most: int) -> None:
    rising = sorted(steps)
    kept = _spread(rising, most)
    assert len(kept) == min(most, len(rising))
    assert kept == sorted(set(kept))
    assert set(kept) <= steps
    assert (kept[0], kept[-1]) == (rising[0], rising[-1])


# ---- the page


def test_the_page_opens_on_an_example_as_it_was_recorded(
    opened: Opened, runs_folder: Path, small: Run
) -> None:
    page = opened(runs_folder)
    data = figure(page)
    recorded = small.probe(20).select([0])
    assert data["caption"] == PAIRS[0][0]
    assert data["expert"] == recorded.expert.tolist()
    shown = base64.b64decode(data["pictures"][0]["src"].split(",")[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(shown))), picture(0))
    assert "one group of 6 pairs" in data["group"]["sentence"]


def test_a_link_opens_the_same_view(opened: Opened, runs_folder: Path, small: Run) -> None:
    page = opened(runs_folder, run="small", step="10", layer="1", example="3", token="t2")
    data = figure(page)
    assert data["expert"] == small.probe(10).select([3]).expert.tolist()
    assert (data["view"]["layer"], data["view"]["token"]) == (1, "t2")
    assert data["address"] == {"run": "small", "step": "10", "example": "3"}


def test_stepping_through_training_shows_the_same_pair(
    opened: Opened, runs_folder: Path, small: Run
) -> None:
    page = opened(runs_folder, example="2")
    for step in (0, 10, 20):
        page.select_slider(key="step").set_value(step).run()
        data = figure(page)
        assert data["caption"] == PAIRS[2][0]
        assert data["expert"] == small.probe(step).select([2]).expert.tolist()


def test_the_strip_through_training_holds_every_probe(
    opened: Opened, runs_folder: Path, small: Run
) -> None:
    page = opened(runs_folder, example="1")
    strip = told(page, "routing.training")
    assert strip["steps"] == [0, 10, 20]
    first = numbers(strip["expert"], "u1").reshape(3, 2, -1)
    dropped = numbers(strip["dropped"], "u1").reshape(3, 2, -1)
    said = numbers(strip["said"], "<u4").reshape(3, 2, 4)
    for place, step in enumerate(strip["steps"]):
        recorded = small.probe(step).select([1])
        assert np.array_equal(first[place], recorded.expert[..., 0])
        assert np.array_equal(dropped[place], recorded.dropped.all(axis=2))
        assert said[place, :, 2].tolist() == recorded.dropped.sum(axis=(1, 2)).tolist()


def test_a_large_pair_is_shown_over_training_layer_by_layer(
    monkeypatch: pytest.MonkeyPatch, small: Run
) -> None:
    traces = {step: small.probe(step).select([0]) for step in (0, 10)}
    whole = strip_of(traces, layer=2)
    monkeypatch.setitem(strip_of.__globals__, "MOST_CHOICES", 10)
    one = strip_of(traces, layer=1)
    assert (whole["sent"], one["sent"]) == ([0, 1], [0])
    assert whole["id"] == one["id"], "layers that came earlier are of the same pair"
    every, first = numbers(whole["expert"], "u1"), numbers(one["expert"], "u1")
    assert np.array_equal(every.reshape(2, 2, -1)[:, :1], first.reshape(2, 1, -1))


def test_a_typed_text_is_routed_by_the_model(opened: Opened, runs_folder: Path, small: Run) -> None:
    import limoe_core

    page = type_text(opened(runs_folder), "a blue dog")
    data = figure(page)
    expected = limoe_core.load(small, 20).trace([picture(0)], ["a blue dog"])
    assert data["caption"] == "a blue dog"
    assert data["expert"] == expected.expert.tolist()
    assert np.allclose(data["probs"], expected.probs, atol=1e-4)
    assert "Routed alone" in data["group"]["sentence"]
    assert page.query_params["text"] == "a blue dog"


def test_at_a_step_without_parameters_the_nearest_is_used_and_said(
    opened: Opened, runs_folder: Path
) -> None:
    page = type_text(opened(runs_folder, step="0"), "a blue dog")
    assert "routed by step 10" in said(page)
    assert "Step 10." in figure(page)["group"]["sentence"]


def test_routed_alone_as_in_training_there_is_a_limit(opened: Opened, runs_folder: Path) -> None:
    page = opened(runs_folder)
    page.selectbox(key="routed").set_value("alone-as-in-training").run()
    data = figure(page)
    tokens = len(data["tokens"])
    factor = small_config().model.capacity_factor
    assert data["group"]["capacity"] == capacity(tokens, 1, factor, 4)
    kept = np.array(data["expert"])[np.array(data["dropped"]) == 0]
    assert len(kept)


def test_a_page_with_dropped_tokens_says_why_and_where_none_is(
    opened: Opened, runs_folder: Path, probe: RoutingTrace
) -> None:
    lost = [probe.select([pair]).dropped.any() for pair in range(probe.num_pairs)]
    assert any(lost)
    page = opened(runs_folder, example=str(lost.index(True)))
    why = [caption.value for caption in page.caption if "Why tokens are dropped" in caption.value]
    assert np.any(figure(page)["dropped"]) and len(why) == 1
    assert f"“{ways(small_config().model)[ALONE]}”" in why[0]
    page.selectbox(key="routed").set_value(ALONE).run()
    assert not np.any(figure(page)["dropped"])
    assert not any("Why tokens are dropped" in caption.value for caption in page.caption)


def test_the_way_of_inference_is_called_what_it_is() -> None:
    model = small_config().model
    assert "unlimited capacity" in ways(model)[ALONE]
    limited = dataclasses.replace(model, eval_capacity_factor=2.0)
    assert "capacity factor 2" in ways(limited)[ALONE]


def test_an_empty_text_leaves_the_picture_alone(opened: Opened, runs_folder: Path) -> None:
    page = type_text(opened(runs_folder), "   ")
    assert "text is empty" in said(page)
    assert {token["m"] for token in figure(page)["tokens"]} == {0}


def test_without_picture_and_text_there_is_nothing_to_route(
    opened: Opened, runs_folder: Path
) -> None:
    page = opened(runs_folder, picture="none", text=" ")
    assert "nothing to route" in said(page)
    assert not page.exception


def test_a_text_without_picture(opened: Opened, runs_folder: Path) -> None:
    data = figure(opened(runs_folder, picture="none"))
    assert data["pictures"] == []
    assert {token["m"] for token in data["tokens"]} == {1}


def test_ten_thousand_characters_are_cut_and_said(opened: Opened, runs_folder: Path) -> None:
    page = type_text(opened(runs_folder), "red apple " * 1000)
    data = figure(page)
    assert sum(token["m"] for token in data["tokens"]) == 12
    assert "The model reads 12 pieces" in said(page)
    assert "Cut off:" in said(page)
    assert "too long for the address bar" in said(page)
    assert "text" not in page.query_params


def test_unknown_characters_fall_back_to_bytes_and_it_is_said(
    opened: Opened, runs_folder: Path
) -> None:
    page = type_text(opened(runs_folder), "'ሰላም")
    data = figure(page)
    pieces = [token["piece"] for token in data["tokens"] if token["m"] == 1]
    assert any("is read as ’" in caption.value for caption in page.caption)
    assert "<0xE1>" in pieces
    assert "stand for one byte each" in data["note"]


def test_markup_in_a_text_is_data_and_nothing_else(opened: Opened, runs_folder: Path) -> None:
    text = "<script>alert(1)</script>"
    page = type_text(opened(runs_folder), text)
    assert figure(page)["caption"] == text
    assert not any("<script" in element.value for element in page.markdown)


def test_a_text_from_right_to_left(opened: Opened, runs_folder: Path) -> None:
    assert figure(type_text(opened(runs_folder), "سیب قرمز"))["direction"] == "rtl"


def test_a_run_without_parameters_shows_its_examples_and_says_what_it_cannot(
    opened: Opened, runs_folder: Path, small: Run, tmp_path: Path
) -> None:
    bare = Run.create(tmp_path / "bare", small.config)
    bare.save_probe(20, small.probe(20))
    page = opened(tmp_path)
    assert figure(page)["caption"] == PAIRS[0][0]
    type_text(page, "a blue dog")
    assert "no parameters" in said(page)
    assert figure(page)["caption"] == PAIRS[0][0]


def test_a_damaged_probe_is_said_and_the_other_steps_can_be_seen(
    opened: Opened, small: Run, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "hurt", small.config)
    run.save_probe(10, small.probe(10))
    run.save_probe(20, small.probe(20))
    (run.path / "probes" / "20.npz").write_bytes(b"PK\x03\x04 no more")
    page = opened(tmp_path)
    assert "damaged" in said(page)
    page.select_slider(key="step").set_value(10).run()
    assert figure(page)["caption"] == PAIRS[0][0]


def test_two_readers_do_not_disturb_each_other(opened: Opened, runs_folder: Path) -> None:
    one, other = opened(runs_folder), opened(runs_folder)
    type_text(one, "a blue dog")
    other.select_slider(key="step").set_value(0).run()
    assert figure(other)["caption"] == PAIRS[0][0]
    one.run()
    assert figure(one)["caption"] == "a blue dog"


@pytest.mark.parametrize("text", [None, "say \"a\\b\" 'c'"])
def test_the_lines_of_python_on_the_page_make_the_same_routing(
    opened: Opened, runs_folder: Path, text: str | None
) -> None:
    page = opened(runs_folder, example="3")
    if text is not None:
        type_text(page, text)
    page.session_state["export.routing-small-step20.open"] = True
    page.run()
    recipe = next(code.value for code in page.code if "analysis" in code.value)
    names: dict[str, Any] = {}
    exec(recipe, names)
    data = figure(page)
    assert names["trace"].expert.tolist() == data["expert"]
    assert names["frame"].equals(analysis.to_frame(names["trace"]))


# ---- similarity and pins


def facts_of(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def test_the_similarity_is_ranked_among_the_probe_pairs(
    opened: Opened, runs_folder: Path, small: Run
) -> None:
    probe = small.probe(20)
    wanted = analysis.pair_similarity(probe.select([2]), probe, picture=2).iloc[0]
    said_of = facts_of(opened(runs_folder, run="small", example="2"))
    assert f"{wanted['similarity']:.3f}" in said_of
    assert f"{wanted['text_rank']} of 6" in said_of
    assert f"{wanted['picture_rank']} of 6" in said_of


def test_a_pinned_pair_stands_beside_the_one_in_view(opened: Opened, runs_folder: Path) -> None:
    page = opened(runs_folder, run="small", example="2", layer="1")
    next(button for button in page.button if button.label == "Pin this pair").click().run()
    assert page.query_params["pin"] == "2"
    other = opened(runs_folder, **{**dict(page.query_params), "example": "4"})
    told = [
        json.loads(element.proto.json)
        for element in other.get("bidi_component")
        if element.proto.component_name == "limoe_lens.channel"
    ]
    found = [each["content"] for each in told if each["channel"].startswith("routing")]
    views = [view for view in found if "view" in view]  # not the strip over training
    assert [view["caption"] for view in views] == [PAIRS[4][0], PAIRS[2][0]]
    assert [view["view"]["pinned"] for view in views] == [False, True]
    next(button for button in other.button if button.label == "Unpin").click().run()
    assert "pin" not in other.query_params


def test_a_pin_that_no_link_can_bring_is_told(opened: Opened, runs_folder: Path) -> None:
    page = opened(runs_folder, run="small", pin="own")
    assert "no link brings" in said(page)
    assert "pinned example 99" in said(opened(runs_folder, run="small", pin="99"))
