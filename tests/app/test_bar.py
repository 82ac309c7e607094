"""What the server takes the address bar to show, while addresses are on their way both ways."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from app.shell.bar import Bar


def test_the_second_of_two_quick_picks_is_sent_though_the_browser_told_that_it_shows_it() -> None:
    bar = Bar()
    assert bar.hear({}, moved=True) == set()
    assert not bar.send({})
    assert bar.hear({}, moved=False) == set()  # the reader picks pair 3
    assert bar.send({"example": "3"})
    assert bar.hear({}, moved=False) == set()  # and pair 0 again, before the answer
    assert bar.send({})
    assert bar.hear({"example": "3"}, moved=False) == set()
    assert bar.send({})
    assert bar.hear({}, moved=False) == set()
    assert not bar.send({})


def test_what_was_picked_is_not_undone_by_an_address_from_before() -> None:
    bar = Bar()
    bar.hear({}, moved=True)
    bar.send({"step": "0"})
    assert bar.hear({}, moved=False) == set()
    assert bar.send({"step": "0", "example": "3"})


def test_going_back_is_taken_at_its_word() -> None:
    bar = Bar()
    bar.hear({"step": "5"}, moved=True)
    bar.send({"step": "0"})
    assert bar.hear({"step": "5"}, moved=True) == {"step"}
    assert bar.send({"step": "5"}), "step 0 may be on its way"


def test_what_a_figure_wrote_is_heard_whatever_is_on_its_way() -> None:
    bar = Bar()
    bar.hear({"layer": "2"}, moved=True)
    bar.send({"layer": "2", "example": "3"})
    assert bar.hear({"layer": "1"}, moved=False) == {"layer"}
    assert bar.send({"layer": "1", "example": "3"})
    assert bar.hear({"layer": "2", "example": "3"}, moved=False) == set(), "what was sent first"
    assert bar.send({"layer": "1", "example": "3"})


# ---- any reader, any delay


@dataclass
class Dashboard:
    """A browser and a server, with what is on its way between them."""

    shown: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    bar: Bar = field(default_factory=Bar)
    asked: deque[tuple[dict[str, str], dict[str, str], bool]] = field(default_factory=deque)
    answered: deque[dict[str, str]] = field(default_factory=deque)
    history: list[dict[str, str]] = field(default_factory=list)

    def ask(self, chosen: dict[str, str], moved: bool = False) -> None:
        self.asked.append((dict(self.shown), chosen, moved))

    def figure_writes(self, layer: str) -> None:
        self.shown = {**self.shown, "layer": layer}

    def go_back(self) -> None:
        if self.history:
            self.shown = self.history.pop()
            self.ask({}, moved=True)

    def answer(self) -> None:
        if not self.asked:
            return
        told, chosen, moved = self.asked.popleft()
        for name in self.bar.hear(told, moved=moved) - {*chosen}:
            if name in told:
                self.values[name] = told[name]
            else:
                self.values.pop(name, None)
        self.values.update(chosen)
        if self.bar.send(self.values):
            self.answered.append(dict(self.values))

    def deliver(self) -> None:
        if self.answered and (sent := self.answered.popleft()) != self.shown:
            self.history.append(self.shown)
            self.shown = sent

    def settle(self) -> None:
        while self.asked or self.answered:
            self.answer()
            self.deliver()


_VALUE = st.sampled_from("123")
_PICK = st.tuples(st.sampled_from(["example", "step"]), _VALUE)
_WAY = st.sampled_from(["answer", "deliver"])


@given(st.lists(st.one_of(_PICK, _WAY), max_size=30))
def test_no_pick_is_lost(events: list[str | tuple[str, str]]) -> None:
    dashboard = Dashboard()
    picked: dict[str, str] = {}
    for event in events:
        if isinstance(event, tuple):
            picked |= dict([event])
            dashboard.ask(dict([event]))
        else:
            getattr(dashboard, event)()
    dashboard.settle()
    assert dashboard.shown == picked


@given(
    st.lists(
        st.one_of(_PICK, _WAY, st.tuples(st.just("layer"), _VALUE), st.just("go_back")),
        max_size=30,
    )
)
def test_the_bar_shows_what_the_page_shows_in_the_end(events: list[str | tuple[str, str]]) -> None:
    dashboard = Dashboard()
    for event in events:
        match event:
            case "layer", value:
                dashboard.figure_writes(value)
            case name, value:
                dashboard.ask({name: value})
            case str():
                getattr(dashboard, event)()
    dashboard.settle()
    dashboard.ask({})
    dashboard.settle()
    assert dashboard.shown == dashboard.values
