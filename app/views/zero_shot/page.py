"""Zero-shot: what can the model do?"""

from __future__ import annotations

import importlib

from app.parts import figures, messages
from app.shell import controls, live, sidebar
from app.views.zero_shot.tasks import evaluated_steps
from limoe_core.runs.directory import Run

#: The views by their name in the address bar, with their titles. Each is drawn by `show(run, step)`
#: of the module of that name in this folder, imported when it is opened.
_VIEWS = {
    "classify": "Classify",
    "search": "Search",
    "accuracy": "Accuracy",
    "confusions": "Confusions",
}
#: Views that need parameters; the others read stored evaluations.
_OF_THE_MODEL = ("classify", "search")


def show(run: Run) -> None:
    """Draws the page."""
    view = controls.choice(
        "show",
        "View",
        list(_VIEWS),
        words=_VIEWS,
        look="buttons",
        label_visibility="collapsed",
    )
    steps = run.steps() if view in _OF_THE_MODEL else evaluated_steps(run)
    if not steps:
        _nothing(run, view)
        return
    step = sidebar.choose_step(steps)
    figures.choose_format()
    importlib.import_module(f"app.views.zero_shot.{view}").show(run, step)


def _nothing(run: Run, view: str) -> None:
    if run.other is not None:
        messages.say(
            "info",
            f"{run.name} holds traces of {run.other.called}, not the model: nothing can be "
            "classified or searched with it, and it was not evaluated here.",
        )
    elif view in _OF_THE_MODEL:
        messages.say(
            "info",
            f"{run.name} has no checkpoint yet, so there is no model to use. " + live.BY_ITSELF,
        )
    else:
        messages.say(
            "info",
            f"{run.name} has not been evaluated. Do so with: python -m limoe_core.evaluate --run "
            f"{run.path}",
        )
