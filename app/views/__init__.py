"""The pages, in the order of the navigation. A page is a module with `show(run)`.

A page is imported when it is opened, so that none waits for what only another one needs. The folder
is not called `pages`: Streamlit would take such a folder for pages of its own, and the first link
to one of them that a fresh server is asked for would run that module as a script.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.parts import messages

if TYPE_CHECKING:
    from limoe_core.runs.directory import Run


@dataclass(frozen=True)
class Entry:
    """A page in the navigation."""

    module: str
    """Module in `app.views`, and the page's path in the address."""
    title: str
    question: str
    """The question that the page answers, shown beside its title."""
    icon: str
    without_model: str = ""
    """What the page cannot do with traces of another model alone, if that is all it does."""

    @property
    def path(self) -> str:
        """Path of the page in the address bar."""
        return self.module.replace("_", "-")

    def show(self, run: Run) -> None:
        """Draws the page."""
        if run.other is not None and self.without_model:
            held = f"{run.name} holds traces of {run.other.called}, not the model"
            messages.say("info", f"{held}: {self.without_model}")
            return
        importlib.import_module(f"app.views.{self.module}.page").show(run)


PAGES: tuple[Entry, ...] = (
    Entry("routing", "Routing", "What happened to each token of this pair?", ":material/grid_on:"),
    Entry(
        "experts",
        "Experts",
        "Do experts specialise, by modality and by content?",
        ":material/group_work:",
    ),
    Entry("emergence", "Emergence", "When did it happen?", ":material/timeline:"),
    Entry(
        "interventions",
        "Interventions",
        "What is an expert for?",
        ":material/alt_route:",
    ),
    Entry(
        "training",
        "Training",
        "How is the run going?",
        ":material/monitoring:",
        "it was not trained here, and nothing was logged.",
    ),
    Entry("zero_shot", "Zero-shot", "What can the model do?", ":material/image_search:"),
    Entry(
        "embeddings",
        "Embeddings",
        "How do the two modalities lie in the shared space?",
        ":material/scatter_plot:",
        "nothing can be embedded with it.",
    ),
    Entry(
        "compare",
        "Compare",
        "What differs between two runs, or two steps of one?",
        ":material/compare_arrows:",
        "two runs are compared by their models and settings, which it lacks.",
    ),
)
