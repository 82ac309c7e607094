"""The dashboard's shell: command line, runs, address bar, sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.parts import messages
from app.parts.export import file_name
from app.server.runs import Runs
from app.shell import options, state
from app.shell.sidebar import describe
from limoe_core.presets import preset
from limoe_core.runs import Run
from limoe_core.runs.directory import RunError
from tests.app.conftest import ENTRY

Opened = Callable[..., AppTest]


def said(page: AppTest) -> str:
    """All sentences in boxes, as a reader sees them: without the escapes."""
    boxes = [*page.error, *page.warning, *page.info]
    return "\n".join(box.value for box in boxes).replace("\\", "")


def corrected(page: AppTest) -> dict[str, str] | None:
    """What the browser is told to make of the address of the page that was just opened."""
    for element in page.get("bidi_component"):
        if element.proto.component_name == "limoe_lens.address":
            parameters: dict[str, str] = json.loads(element.proto.json)["parameters"]
            return parameters
    return None


# ---- the command line


def test_runs_come_from_the_command_line(tmp_path: Path) -> None:
    assert options.parse(["--runs", str(tmp_path)]).runs == tmp_path


def test_without_options_the_shipped_runs_are_opened() -> None:
    assert options.parse([]).runs == Path(__file__).parents[2] / "checkpoints"


@pytest.mark.parametrize("arguments", [["--run", "x"], ["--runs"], ["elsewhere"]])
def test_a_command_line_that_makes_no_sense_is_answered_with_the_right_one(
    arguments: list[str],
) -> None:
    with pytest.raises(options.OptionsError, match="streamlit run app -- --runs DIR"):
        options.parse(arguments)


# ---- runs


def test_a_missing_folder_of_runs_is_said(opened: Opened, tmp_path: Path) -> None:
    page = opened(tmp_path / "nowhere")
    assert "does not exist" in said(page)
    assert "--runs DIR" in said(page)
    assert not page.exception


def test_an_empty_folder_of_runs_says_how_to_train_one(opened: Opened, tmp_path: Path) -> None:
    page = opened(tmp_path)
    assert "There is no run" in said(page)
    assert "python -m limoe_core.train" in said(page)


def test_a_run_says_what_it_was_started_from() -> None:
    info = {"init_from": {"run": "first", "step": 4500}, "data": {"name": "icons"}}
    run = Run(Path("second"), preset("debug"), info)
    assert describe(run).endswith(" · icons · started from first at step 4,500")
    assert "started" not in describe(Run(Path("second"), preset("debug"), {"init_from": {}}))


def test_broken_runs_are_listed_with_their_reason_and_the_others_can_be_used(
    opened: Opened, runs_folder: Path
) -> None:
    page = opened(runs_folder)
    assert page.selectbox(key="run").value == "small"
    listed = "\n".join(text.value for text in page.sidebar.caption).replace("\\", "")
    for name, reason in (
        ("torn", "not whole, valid JSON"),
        ("holiday-photos", "is not a run"),
        ("from-the-future", "written by a newer version"),
    ):
        assert any(name in line and reason in line for line in listed.splitlines()), listed
    assert page.selectbox(key="run").options == ["dense", "just-started", "small"]


def test_only_broken_runs(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "config.json").write_text("{")
    page = opened(tmp_path)
    assert "None of the folders" in said(page)
    assert "torn" in said(page)


@pytest.mark.parametrize("name", ["../runs/small", "..", "/etc", ".hidden", "a/b", ""])
def test_no_name_leads_out_of_the_folder_of_runs(runs_folder: Path, name: str) -> None:
    with pytest.raises(RunError):
        Runs.of(runs_folder).open(name)


def test_a_name_from_the_address_that_leads_out_is_refused(
    opened: Opened, runs_folder: Path
) -> None:
    page = opened(runs_folder, run="../runs/small")
    assert "there is no run '../runs/small'" in said(page)
    assert page.selectbox(key="run").value == "small"


def test_a_dense_twin_says_that_it_has_no_experts(opened: Opened, runs_folder: Path) -> None:
    assert "dense twin" in said(opened(runs_folder, run="dense"))


def test_a_run_that_has_just_started_says_so(opened: Opened, runs_folder: Path) -> None:
    assert "neither a probe trace nor a checkpoint" in said(opened(runs_folder, run="just-started"))


# ---- the address bar


def test_the_address_stays_empty_while_all_is_default(opened: Opened, runs_folder: Path) -> None:
    page = opened(runs_folder)
    assert dict(page.query_params) == {}


def test_a_choice_is_written_to_the_address_with_what_a_default_may_not_be_tomorrow(
    opened: Opened, runs_folder: Path
) -> None:
    page = opened(runs_folder)
    page.select_slider(key="step").set_value(10).run()
    address = dict(page.query_params)
    assert address == {"run": "small", "step": "10", "layer": "2", "example": "0"}


def test_the_address_decides_what_is_shown(opened: Opened, runs_folder: Path) -> None:
    page = opened(runs_folder, run="small", step="0")
    assert page.select_slider(key="step").value == 0


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("step", "15", "there is no step 15 here; choose one of 0, 10, 20"),
        ("step", "<script>", "'<script>' is not a whole number"),
        ("step", "²", "is not a whole number"),
        ("layer", "7", "there is no MoE layer 7 here; choose one of 1, 2"),
        ("example", "99999999999", "there is no example 99999999999"),
        ("routed", "sideways", ""),
        ("token", "x9", "token 'x9' is unknown"),
    ],
)
def test_a_bad_value_in_the_address_is_answered_with_a_sentence_and_the_default(
    opened: Opened, runs_folder: Path, name: str, value: str, sentence: str
) -> None:
    page = opened(runs_folder, **{name: value})
    assert not page.exception
    assert sentence in said(page)
    assert page.select_slider(key="step").value == 20


def test_a_step_that_another_run_lacks_falls_back_in_silence() -> None:
    def script() -> None:
        import streamlit as st

        from app.shell import state

        state.begin("page")
        steps = st.session_state.get("steps", [1, 2, 3])
        st.session_state["found"] = state.get("step", state.among(steps, "step"), steps[-1])
        state.publish()

    page = AppTest.from_function(script)
    page.query_params["step"] = "2"
    page.run()
    assert page.session_state["found"] == 2
    page.session_state["steps"] = [10, 20]
    page.run()
    assert page.session_state["found"] == 20
    assert not page.warning


def test_turning_to_another_page_empties_the_address_and_loses_nothing() -> None:
    def script() -> None:
        import streamlit as st

        from app.shell import state

        state.begin(st.session_state.get("page", "one"))
        st.session_state["found"] = state.get("run", str, "default")
        state.publish()

    page = AppTest.from_function(script)
    page.query_params["run"] = "mine"
    page.run()
    page.session_state["page"] = "two"
    page.query_params.clear()
    page.run()
    assert page.session_state["found"] == "mine"
    assert corrected(page) == {"run": "mine"}
    page.run()  # the browser has not heard of the correction yet
    assert page.session_state["found"] == "mine"
    page.query_params["run"] = "mine"
    page.run()
    assert page.session_state["found"] == "mine"
    page.query_params.clear()  # and now the reader goes back on this page
    page.run()
    assert page.session_state["found"] == "default"


def test_going_back_on_the_same_page_to_where_a_value_was_not_named_unsets_it() -> None:
    def script() -> None:
        import streamlit as st

        from app.shell import state

        state.begin("page")
        st.session_state["found"] = state.get("run", str, "default")
        state.publish()

    page = AppTest.from_function(script)
    page.query_params["run"] = "mine"
    page.run()
    page.query_params.clear()
    page.run()
    assert page.session_state["found"] == "default"


def test_a_choice_on_the_page_is_newer_than_what_the_address_says() -> None:
    """A figure may have written the address, in the browser, before something else was chosen."""

    def script() -> None:
        import streamlit as st

        from app.shell import state

        state.begin("page")
        st.session_state["found"] = state.get("example", str, "0")
        st.button("pick", on_click=lambda: state.put("example", "2"))
        state.publish()

    page = AppTest.from_function(script).run()
    page.query_params["example"] = "0"
    page.button[0].click().run()
    assert page.session_state["found"] == "2"
    assert page.query_params["example"] == "2"


def test_a_long_text_stays_out_of_the_address() -> None:
    def script() -> None:
        from app.shell import state

        state.begin("page")
        state.put("text", "x" * 5000)
        state.put("short", "y")
        state.get("text", str, "")
        state.get("short", str, "")
        state.publish()

    page = AppTest.from_function(script).run()
    assert corrected(page) == {"short": "y"}
    assert dict(page.run().query_params) == {"short": "y"}


def test_a_choice_among_numbers_takes_numbers_alone() -> None:
    parse = state.among([1, 2], "step")
    assert parse("2") == 2
    for text in ("", "2.0", "-1", "+2", " 2", "1e0", "٢", "x", "0x2", "9" * 30):
        with pytest.raises(state.BadValue):
            parse(text)


# ---- sentences


@pytest.mark.parametrize(
    "text",
    ["<b>bold</b>", "[link](http://x.y)", "![x](http://x.y/z.png)", "# head", ":red[x]", "$x$"],
)
def test_markup_from_outside_is_escaped_letter_by_letter(text: str) -> None:
    shown = messages.plain(text)
    assert shown.replace("\\", "") == text
    for place, letter in enumerate(shown):
        if letter in "<>[]()!#:$*_`":
            assert shown[place - 1] == "\\"


def test_a_sentence_is_kept_short_and_on_one_line() -> None:
    shown = messages.plain("a\n\nb " + "c" * 1000)
    assert "\n" not in shown
    assert len(shown) <= 300
    assert shown.endswith("…")


@pytest.mark.parametrize("text", ["../../etc/passwd", "a b", "ü<>|", "", "x" * 300])
def test_file_names_are_plain(text: str) -> None:
    name = file_name(text)
    assert 0 < len(name) <= 80
    assert not set(name) & set("/\\ .<>|:")


def test_file_names_of_different_texts_differ() -> None:
    texts = ["a b", "a-b", "a/b", "x" * 300, "x" * 301, "", "-", "\udce4", "run-0.5"]
    assert len({file_name(text) for text in texts}) == len(texts)
    assert file_name("run-0.5") == "run-0.5"


# ---- speed


def test_the_first_page_is_drawn_without_jax(runs_folder: Path) -> None:
    """The first picture must not wait for JAX, nor for what only other pages need."""
    script = f"""
import sys
sys.argv = ["streamlit_app.py", "--runs", {str(runs_folder)!r}]
import app.pair.routing
app.pair.routing.warm_up = lambda run: None
from streamlit.testing.v1 import AppTest
page = AppTest.from_file({str(ENTRY)!r}, default_timeout=120).run()
assert not page.exception, page.exception
assert page.get("bidi_component"), "nothing was drawn"
heavy = {{"jax", "flax", "orbax", "sklearn", "tensorflow_datasets", "sentencepiece"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ENTRY.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"
