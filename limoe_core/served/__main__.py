"""Imports what servers return about routing into a run that the dashboard opens.

`vllm` and `sglang` read JSON lines, one request each: the server's response, or its part with the
routed experts, with `caption`, `pieces`, `kinds`, `grids` and `meta` of `limoe_core.served.Request`
beside it. `logits` reads .npz files, one request each, with `router_logits` of (layers, tokens,
experts).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from limoe_core.arrays import read_arrays
from limoe_core.files import from_json
from limoe_core.runs.files import RunError
from limoe_core.served.choices import Choices, ServedError, of_logits, of_sglang, of_vllm
from limoe_core.served.requests import Request, save

_LONGEST_LINE = 2**28


@dataclass(frozen=True)
class Arguments:
    """Import the routing of requests to a model of another program."""

    source: Annotated[Literal["vllm", "sglang", "logits"], tyro.conf.Positional]
    """What returned it."""
    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """JSON lines of responses, or .npz files of router_logits."""
    run: Path
    """Folder of the run to write, such as checkpoints/served."""
    experts: int | None = None
    """Experts a layer, which servers do not return; of logits it is known."""
    layers: int | None = None
    """For sglang: layers of the model, as the server counts them."""
    top_k: int | None = None
    """For sglang and logits: experts a token."""
    made_by: dict[str, str] = field(default_factory=dict)
    """What made it, for the reader: model NAME revision REVISION …"""
    data: str | None = None
    """What the requests are of, for the reader."""


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    about = (__doc__ or "").strip()
    asked = tyro.cli(Arguments, args=argv, prog="python -m limoe_core.served", description=about)
    try:
        needed = {"vllm": (), "sglang": ("layers", "top_k"), "logits": ("top_k",)}[asked.source]
        for name in (*needed, *(("experts",) if asked.source != "logits" else ())):
            if getattr(asked, name) is None:
                raise ServedError(f"{asked.source} needs --{name.replace('_', '-')}")
        requests = _requests(asked)
        first = next(requests, None)
        if first is None:
            raise ServedError("the files hold no request")
        probs = first.choices.probs
        experts = asked.experts or (0 if probs is None else probs.shape[-1])
        made_by = {"library": asked.source, **asked.made_by}
        both = (each for each in (first, *requests))
        run = save(both, asked.run, experts=experts, made_by=made_by, data=asked.data)
    except (ServedError, RunError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(run)
    return 0


def _requests(asked: Arguments) -> Iterator[Request]:
    for path in asked.files:
        if asked.source == "logits":
            request = _of_arrays(path, asked.top_k or 0)
            probs = request.choices.probs
            found = 0 if probs is None else probs.shape[-1]
            if asked.experts not in (None, found):
                raise ServedError(
                    f"{path}: router_logits are of {found} experts a layer, and --experts says "
                    f"{asked.experts}; leave it out"
                )
            yield request
            continue
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield _of_line(line, asked)
                    except ValueError as error:
                        raise ServedError(f"{path}, line {number}: {error}") from error


def _of_line(line: bytes, asked: Arguments) -> Request:
    if len(line) > _LONGEST_LINE:
        raise ServedError(f"it has {len(line):,} bytes; at most {_LONGEST_LINE:,} are read")
    said = from_json(line)
    if not isinstance(said, dict):
        raise ServedError("it is no JSON object")
    if asked.source == "vllm":
        choices = of_vllm(said)
    else:
        choices = of_sglang(said, asked.layers or 0, asked.top_k or 0)
    return _request(choices, said)


def _request(choices: Choices, said: dict[str, Any]) -> Request:
    lists = {name: said.get(name) or [] for name in ("pieces", "kinds", "grids")}
    for name in ("pieces", "kinds"):
        if not isinstance(lists[name], list) or not all(isinstance(x, str) for x in lists[name]):
            raise ServedError(f"{name} are no list of texts")
    grids = lists["grids"]
    if not isinstance(grids, list) or not all(
        isinstance(grid, list) and len(grid) == 2 and all(type(n) is int and n > 0 for n in grid)
        for grid in grids
    ):
        raise ServedError("grids are no list of [rows, columns]")
    caption, meta = said.get("caption", ""), said.get("meta", {})
    if not isinstance(caption, str) or not isinstance(meta, dict):
        raise ServedError("caption is no text, or meta no object")
    return Request(
        choices,
        caption,
        lists["pieces"],
        lists["kinds"],
        [(rows, columns) for rows, columns in grids],
        {str(name): str(value) for name, value in meta.items()},
    )


def _of_arrays(path: Path, top_k: int) -> Request:
    try:
        with path.open("rb") as file:
            arrays = read_arrays(file)
        logits = arrays["router_logits"]
        choices = of_logits(list(logits), top_k)
        texts = {
            name: [str(text) for text in arrays.get(name, np.zeros(0, np.str_))]
            for name in ("pieces", "kinds")
        }
        grids = [(int(r), int(c)) for r, c in arrays.get("grids", np.zeros((0, 2), int))]
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds for broken bytes
        raise ServedError(f"{path}: no file of router_logits ({error})") from error
    caption = str(arrays["caption"]) if "caption" in arrays else path.stem
    return Request(choices, caption, texts["pieces"], texts["kinds"], grids)


if __name__ == "__main__":
    sys.exit(main())
