"""What changes by itself: runs that come and go, and the run in view while it is trained.

A small part of the sidebar looks at the folder of runs every few seconds. It draws how far training
has come, and runs the whole page again only where something came that the page should show: a run,
a checkpoint, a probe trace, the begin or the end of training, and on a page that follows it, a line
of the log. While nothing of that changes, the reader's page is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path

import streamlit as st

from app.parts import messages
from app.parts.fragments import alone
from app.server.runs import Run, RunError, Runs
from app.server.status import Status, may_be_growing
from app.shell import controls

#: What a page says that has nothing to show yet.
BY_ITSELF = "If it is being trained, this page shows it by itself when it comes."
#: Seconds between two looks.
EVERY = 4.0
#: Runs in training that are named besides the one in view.
_MOST = 5
_FOLLOWING = "live.following"  # session: whether the run in view is followed
_FOLLOWED = "live.followed"  # session: what else the page shows, as it is now and as it was drawn


def choose_following(run: Run) -> None:
    """Draws the switch, for a run in training, that has the page follow it."""
    growing = Status.of(run).growing
    st.session_state[_FOLLOWING] = (
        controls.toggle(
            "live",
            "Follow the run while it trains",
            default=True,
            shown=growing,
            help=f"Looks every {EVERY:g} seconds and shows what is new. A step that you choose "
            "stays. Turn it off to keep the page as it is.",
        )
        and growing
    )


def following() -> bool:
    """Whether the run in view is in training and followed."""
    return bool(st.session_state.get(_FOLLOWING))


def follow(run: Run) -> None:
    """Has the page drawn again when the run logs or records something; say so before drawing it."""

    def now() -> Hashable:
        with suppress(RunError, OSError):  # it goes away
            return run.stamp("metrics"), tuple(run.probe_steps())
        return None

    st.session_state.setdefault(_FOLLOWED, []).append((now, now()))


def watch(folder: Path, run: Run | None) -> None:
    """Draws how far training has come, and runs the page again when there is something new.

    Args:
      folder: the folder of runs.
      run: the one in view, if there is one.
    """
    drawn = _seen(folder, run)
    followed: list[tuple[Callable[[], Hashable], Hashable]] = []
    st.session_state[_FOLLOWED] = followed

    def look() -> None:
        if _seen(folder, run) != drawn or any(now() != then for now, then in followed):
            st.rerun()
        if run is not None:
            _say_own(run)
        _say_others(folder, run)

    with st.sidebar:
        alone(look, every=EVERY)


def _seen(folder: Path, run: Run | None) -> Hashable:
    """What the page depends on and may change by itself."""
    try:
        runs = Runs.of(folder)
    except (RunError, OSError) as error:
        return str(error)
    listed = runs.usable, tuple(each.name for each in runs.broken)
    if run is None or run.name not in runs.usable:
        return listed
    try:
        status = Status.of(run)
        begun = status.state not in ("new", "starting"), status.growing
        steps = tuple(run.steps()), tuple(run.probe_steps())
    except (RunError, OSError) as error:  # it goes away as it is read
        return listed, str(error)
    # One that is not followed is still shown when its first step or probe trace comes.
    return listed, begun, steps if following() else tuple(map(bool, steps))


def _say_own(run: Run) -> None:
    status = Status.of(run)
    if status.growing:
        st.progress(min(1.0, status.step / max(1, status.steps)), messages.plain(status.sentence))
    elif status.state in ("stopped", "failed"):
        st.caption(messages.plain(status.sentence, 600))


def _say_others(folder: Path, run: Run | None) -> None:
    try:
        runs = Runs.of(folder)
    except RunError:
        return
    others = [runs.listed(name) for name in runs.usable if run is None or name != run.name]
    some = [(other.name, Status.of(other)) for other in others if may_be_growing(other)]
    training = [(name, status) for name, status in some if status.growing]
    for name, status in training[:_MOST]:
        st.caption(f"**{messages.plain(name)}** · {messages.plain(status.sentence)}")
    if len(training) > _MOST:
        st.caption(f"and {messages.counted(len(training) - _MOST, 'run')} more in training")
