"""Requests with their routing as a trace, and as a run of traces alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limoe_core.runs import Run, TraceWriter
from limoe_core.served.choices import Choices, ServedError
from limoe_core.trace import Pictures, Routers, RoutingTrace, TraceError

_PIXELS = 14
#: Requests in one part of a run.
_PART = 16


@dataclass(frozen=True)
class Request:
    """One request: what its tokens were sent to, and what else is known of them."""

    choices: Choices
    caption: str = ""
    """What was asked, for the reader."""
    pieces: Sequence[str] = ()
    """The text of each token; () if it is not known. Fewer than tokens: of the first ones."""
    kinds: Sequence[str] = ()
    """What each token is: "image", "text", "special", …; () for text alone."""
    grids: Sequence[tuple[int, int]] = ()
    """Rows and columns of each picture's tokens, in their order; () for one row a picture."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """What else is known of it: category, language, …"""


def trace(
    requests: Sequence[Request], *, experts: int, made_by: Mapping[str, str] | None = None
) -> RoutingTrace:
    """The routing of some requests to one model.

    Args:
      experts: how many each layer has.
      made_by: library, version, model, …, all of them short texts.

    Raises:
      ServedError: there are none, or they do not fit together or the number of experts.
    """
    if not requests:
        raise ServedError("there is no request to import")
    first = requests[0].choices
    layers, _, top_k = first.expert.shape
    weighed = all(each.choices.gate is not None for each in requests)
    scored = all(each.choices.probs is not None for each in requests)
    scoring = "softmax of the chosen" if weighed else "unknown"
    routers = Routers(
        np.full(layers, experts, np.int32),
        tuple(f"MoE layer {layer + 1}" for layer in range(layers)),
        scoring,
        capacity_factor=0.0,
    )
    parts = []
    for number, request in enumerate(requests):
        shape = request.choices.expert.shape
        if (shape[0], shape[2]) != (layers, top_k):
            raise ServedError(
                f"request {number + 1} has {shape[0]} layers of {shape[2]} choices, and the first "
                f"{layers} of {top_k}"
            )
        try:
            parts.append(_one(request, routers, weighed, scored, made_by or {}))
        except TraceError as error:
            raise ServedError(f"request {number + 1}: {error}") from error
    return RoutingTrace.joined(parts)


def save(
    requests: Iterable[Request],
    run: str | os.PathLike[str],
    *,
    experts: int,
    made_by: Mapping[str, str] | None = None,
    data: str | None = None,
) -> Run:
    """Adds requests to a run of traces, which is made with the first of them.

    Requests that the run has already are left out, so that an import that was cut short goes on.

    Args:
      experts, made_by: as in `trace`.
      data: what the requests are of, for the reader.

    Raises:
      ServedError: as `trace`.
      limoe_core.runs.RunError: the run cannot be written, or is of another model.
    """
    with TraceWriter(run, data=data) as writer:
        skipped, waiting = writer.pairs, []
        for number, request in enumerate(requests):
            if number < skipped:
                continue
            waiting.append(request)
            if len(waiting) == _PART:
                writer.add(trace(waiting, experts=experts, made_by=made_by))
                waiting = []
        if waiting:
            writer.add(trace(waiting, experts=experts, made_by=made_by))
    if writer.run is None:
        raise ServedError("there is no request to import")
    return writer.run


def _one(
    request: Request,
    routers: Routers,
    weighed: bool,
    scored: bool,
    made_by: Mapping[str, str],
) -> RoutingTrace:
    choices, tokens = request.choices, request.choices.expert.shape[1]
    kinds = list(request.kinds)[:tokens] or ["text"] * tokens
    kinds += ["text"] * (tokens - len(kinds))  # what was written after the prompt
    pieces = list(request.pieces)[:tokens]
    pieces += [""] * (tokens - len(pieces))
    of_image = np.array([kind == "image" for kind in kinds], bool)
    pictures, picture = _pictures(of_image, request.grids)
    known = {"pictures": pictures, "picture": picture} if pictures is not None else {}
    if weighed:
        known["gate"] = choices.gate
    if scored:
        known["probs"] = choices.probs
    return RoutingTrace.of(
        choices.expert,
        np.zeros(tokens, np.int32),
        kinds,
        [request.caption],
        routers,
        piece=np.array(["" if image else p for p, image in zip(pieces, of_image, strict=True)]),
        meta={name: np.array([str(value)]) for name, value in request.meta.items()},
        made_by=dict(made_by),
        **known,
    )


def _pictures(
    of_image: np.ndarray, grids: Sequence[tuple[int, int]]
) -> tuple[Pictures | None, np.ndarray]:
    """The table of a request's pictures and the picture of each token."""
    where = np.flatnonzero(of_image)
    picture = np.full(len(of_image), -1, np.int32)
    if not len(where):
        return None, picture
    if not grids:  # one row for each run of image tokens
        starts = np.flatnonzero(np.diff(where, prepend=-2) > 1)
        grids = [(1, int(n)) for n in np.diff(np.append(starts, len(where)))]
    cells = [rows * columns for rows, columns in grids]
    if sum(cells) != len(where):
        raise ServedError(
            f"the pictures' grids have {sum(cells)} cells, and there are {len(where)} image tokens"
        )
    picture[where] = np.repeat(np.arange(len(grids)), cells)
    rows, columns = np.array(grids, np.int32).T
    table = Pictures(
        np.zeros(len(grids), np.int32), rows, columns, _PIXELS * columns, _PIXELS * rows
    )
    return table, picture
