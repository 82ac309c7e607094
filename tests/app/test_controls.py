"""Controls that live in the address bar: a choice, a toggle, a field for text."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.shell import state


def _script() -> None:
    import streamlit as st

    from app.shell import controls, state

    state.begin("page")
    offered = st.session_state.get("offered", [0, 10, 20])
    caption = st.session_state.get("caption", "a cat")
    st.session_state["found"] = {
        "step": controls.choice("step", "Step", offered, default=offered[-1], look="slider"),
        "axis": controls.choice(
            "axis", "Axis", ["log", "linear"], words={"log": "log steps", "linear": "linear steps"}
        ),
        "k": controls.choice("k", "Top", [1, 5], look="buttons", pinned=True),
        "hidden": controls.choice("hidden", "Hidden", ["a", "b"], shown=False),
        "live": controls.toggle("live", "Follow"),
        "picture": controls.toggle("picture", "Leave it out", words=("yes", "none")),
        "text": controls.text("text", "Text", caption, clean=lambda text: text.strip()),
    }
    state.publish()


def opened(**address: str) -> AppTest:
    page = AppTest.from_function(_script, default_timeout=60)
    for name, value in address.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def found(page: AppTest) -> dict[str, object]:
    assert not page.exception
    values: dict[str, object] = page.session_state["found"]
    return values


def said(page: AppTest) -> str:
    return "\n".join(box.value for box in page.warning).replace("\\", "")


def test_defaults_are_shown_and_not_written_to_the_address() -> None:
    page = opened()
    assert found(page) == {
        "step": 20, "axis": "log", "k": 1, "hidden": "a", "live": False, "picture": False,
        "text": "a cat",
    }  # fmt: skip
    assert dict(page.query_params) == {}
    assert page.select_slider(key="step").value == 20
    assert page.selectbox(key="axis").options == ["log steps", "linear steps"]


def test_the_address_decides_and_the_widgets_show_it() -> None:
    page = opened(step="10", axis="linear", k="5", live="on", picture="none", text=" a dog ")
    assert found(page) == {
        "step": 10, "axis": "linear", "k": 5, "hidden": "a", "live": True, "picture": True,
        "text": "a dog",
    }  # fmt: skip
    assert page.select_slider(key="step").value == 10
    assert page.selectbox(key="axis").value == "linear"
    assert page.toggle(key="live").value
    assert page.text_input(key="text").value == "a dog"


def test_what_is_chosen_is_written_with_the_pinned_defaults() -> None:
    page = opened()
    page.select_slider(key="step").set_value(0).run()
    page.toggle(key="picture").set_value(True).run()
    assert dict(page.query_params) == {"step": "0", "k": "1", "picture": "none"}
    page.toggle(key="picture").set_value(False).run()
    assert dict(page.query_params) == {"step": "0", "k": "1"}


def test_a_hidden_choice_draws_nothing_and_heeds_the_address() -> None:
    page = opened(hidden="b")
    assert found(page)["hidden"] == "b"
    assert {box.key for box in page.selectbox} == {"axis"}


def test_a_text_like_its_default_follows_the_default() -> None:
    page = opened(text="a dog")
    page.text_input(key="text").set_value("  a cat ").run()
    assert "text" not in page.query_params
    page.session_state["caption"] = "a bird"
    page.run()
    assert found(page)["text"] == "a bird"


def test_an_emptied_text_stays_empty() -> None:
    page = opened()
    page.text_input(key="text").set_value("").run()
    assert found(page)["text"] == ""
    assert page.query_params["text"] == ""


def test_a_choice_that_is_no_longer_offered_gives_way_in_silence() -> None:
    page = opened(step="10")
    page.session_state["offered"] = [5, 7]
    page.run()
    assert found(page)["step"] == 7
    assert not page.warning
    assert "step" not in page.query_params


def test_a_bad_value_is_answered_with_the_options_and_the_default_is_used() -> None:
    page = opened(step="15", axis="up", k="x", live="maybe")
    assert found(page)["step"] == 20
    assert found(page)["live"] is False
    for sentence in (
        "there is no step 15 here; choose one of 0, 10, 20",
        "there is no axis 'up' here; choose one of log, linear",
        "top 'x' is not a whole number; choose one of 1, 5",
        "there is no value of live 'maybe' here; choose one of off, on",
    ):
        assert sentence in said(page)


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ([], "there is none at all"),
        ([3], "there is only 3"),
        ([1, 2], "choose one of 1, 2"),
        (range(9), "choose one of 0, 1, 2, 3, … 8"),
    ],
)
def test_what_to_choose_instead(options: list[int], instead: str) -> None:
    with pytest.raises(state.BadValue, match=f"; {instead}$"):
        state.among(options, "step")("99")
