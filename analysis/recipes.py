"""The lines of Python that make a figure and the data behind it from a run directory.

What the dashboard shows can be made again outside of it: `recipe(…)` gives lines that run as they
are and leave the data in `frame` and the figure in `figure`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from analysis.errors import AnalysisError

_TRACE = "trace = run.probe({probe})"
_TRACES = "traces = analysis.probe_traces(run)"
_MODEL = """\
model = limoe_core.load(run, {step})
images, texts, meta = analysis.probe_pairs(run)"""
_PREDICTIONS = "predictions = Predictions.load(run.path, {task}, {step})"

#: By name: what is read, how the frame is made, how the figure is made. Words in braces are
#: arguments of `recipe`, written as Python literals.
_RECIPES: Mapping[str, tuple[str, str, str]] = {
    "shares": (
        _TRACE,
        "frame = analysis.roles(trace)",
        "figure = figures.shares_figure(frame)",
    ),
    "shares of a layer": (
        _TRACE,
        'frame = analysis.roles(trace).query("layer == {layer}")',
        "figure = figures.shares_figure(frame)",
    ),
    "composition": (
        _TRACE,
        'frame = analysis.roles(trace).query("layer == {layer}")',
        "figure = figures.composition_figure(frame)",
    ),
    "specialisation": (
        _TRACE,
        "frame = analysis.modality_specialisation(trace)",
        "figure = figures.specialisation_figure(frame)",
    ),
    "router health": (_TRACE, "frame = analysis.router_health(trace)", ""),
    "agreement": (
        _TRACE,
        "frame = analysis.agreement_with_labels(trace)",
        "figure = figures.agreement_figure(frame)",
    ),
    "preferences": (
        _TRACE,
        "frame = analysis.expert_preferences(trace, {layer}, {by}, {modality})",
        "figure = figures.preference_figure(frame)",
    ),
    "positions": (
        _TRACE,
        "frame = analysis.position_frame(trace, {layer})",
        "figure = figures.position_figure(frame)",
    ),
    "paths": (
        _TRACE,
        "frame = analysis.transitions(trace)",
        "figure = figures.paths_figure(frame, {modality})",
    ),
    "top patches": (_TRACE, "frame = analysis.top_patches(trace, {layer}, {expert})", ""),
    "top pieces": (_TRACE, "frame = analysis.top_pieces(trace, {layer}, {expert})", ""),
    "top words": (_TRACE, "frame = analysis.top_words(trace, {layer}, {expert})", ""),
    "tokens": (_TRACE, "frame = analysis.to_frame(trace)", ""),
    "causal": (
        _MODEL,
        "frame = analysis.causal_specialisation(model, images, texts, variant={variant})",
        "figure = figures.causal_figure(frame)",
    ),
    "sceptic": (
        _MODEL + "\ntrace = model.trace(images, texts, hidden=True, meta=meta)",
        "frame = analysis.sceptics_check(trace)",
        "figure = figures.sceptic_figure(frame)",
    ),
    "emergence": (
        _TRACES,
        "frame = analysis.shares_over_steps(traces)",
        "figure = figures.emergence_figure(frame, {layer})",
    ),
    "shares over steps": (
        _TRACES,
        "frame = analysis.shares_over_steps(traces)",
        "figure = figures.shares_over_steps_figure(frame, {layer}, {modality})",
    ),
    "timeline": (
        "",
        "frame = analysis.timeline_frame(run)",
        "figure = figures.timeline_figure({{run.name: frame}}, {layer})",
    ),
    "accuracy": (
        "",
        "frame = analysis.accuracy_frame(run, {step})",
        "figure = figures.accuracy_figure({{run.name: frame}}, {task}, {group})",
    ),
    "tasks": (
        "",
        "frame = analysis.accuracy_frame(run, {step})",
        "figure = figures.tasks_figure({{run.name: frame}})",
    ),
    "retrieval": ("", "frame = analysis.retrieval_frame(run, {step})", ""),
    "answers": (_PREDICTIONS, "frame = analysis.answers_frame(predictions, {language})", ""),
    "confusions": (_PREDICTIONS, "frame = analysis.confusions(predictions, {language})", ""),
    "category confusions": (
        _PREDICTIONS,
        "frame = analysis.category_confusions(predictions, {language})",
        "figure = figures.confusion_figure(frame)",
    ),
}

#: Names that `recipe` knows.
RECIPES = tuple(_RECIPES)

_DEFAULTS: Mapping[str, Any] = {"variant": "next best", "by": "category"}


def recipe(
    name: str,
    run: str | os.PathLike[str],
    step: int | None = None,
    layer: int | None = None,
    **options: Any,
) -> str:
    """The Python lines that make the figure and frame called `name` from a run directory.

    Args:
      name: one of `RECIPES`.
      run: path of the run directory, as it should stand in the lines.
      step: what the view shows; None for the newest (or for evaluations, all).
      layer: block number.
      options: as far as the recipe has them: modality, expert, by, task, group, language, variant.

    Raises:
      AnalysisError: for an unknown recipe, or one that needs an option which is not given.
    """
    if name not in _RECIPES:
        raise AnalysisError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    read, frame, figure = _RECIPES[name]
    body = "\n".join(part for part in (read, frame, figure) if part)
    literals = {key: repr(value) for key, value in {**_DEFAULTS, **options}.items()}
    literals.setdefault("language", "None")
    literals["step"] = repr(step)
    literals["probe"] = "run.probe_steps()[-1]" if step is None else repr(step)
    if layer is not None or name == "timeline":
        literals["layer"] = repr(layer)
    if "Predictions" in body and step is None:
        del literals["step"]
    try:
        body = body.format_map(literals)
    except KeyError as missing:
        raise AnalysisError(f"the recipe {name!r} needs {missing.args[0]}") from missing
    imports = ["import analysis"]
    if "limoe_core." in body:
        imports.append("import limoe_core")
    if figure:
        imports.append("from analysis import figures")
    imports.append("from limoe_core.runs.directory import Run")
    if "Predictions" in body:
        imports.append("from limoe_core.runs.predictions import Predictions")
    return "\n".join([*imports, "", f"run = Run.open({os.fspath(run)!r})", body, ""])
