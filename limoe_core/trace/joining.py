"""Several traces of one model as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from limoe_core.trace.archive import ARRAYS, TABLE, header
from limoe_core.trace.parts import MODALITIES, Pictures, TraceError


def joined(traces: Iterable[Any]) -> dict[str, Any]:
    """Fields of one trace with the pairs of several.

    Raises:
      TraceError: they are of different models, or know different things of their tokens.
    """
    listed = _alike(list(traces))
    first = listed[0]
    said = header(first)
    names = [name for name in ARRAYS if getattr(first, name) is not None]
    for place, trace in enumerate(listed[1:], 1):
        theirs = header(trace)
        for key in {*said, *theirs}:
            if said.get(key) != theirs.get(key):
                raise TraceError(f"joined: trace {place} has another {key} than the first")
        has = [name for name in ARRAYS if getattr(trace, name) is not None]
        if has != names:
            raise TraceError(f"joined: trace {place} has not the same arrays as the first")
    shift = np.cumsum([0, *(trace.num_pairs for trace in listed)])
    fields: dict[str, Any] = {"probs": None, "gate": None}  # which have no default
    for name in names:
        axis = 1 if getattr(first, name).ndim == 3 else 0
        fields[name] = np.concatenate([getattr(trace, name) for trace in listed], axis)
    fields["pair"] = np.concatenate(
        [trace.pair + at for trace, at in zip(listed, shift, strict=False)]
    ).astype(np.int32)
    fields["meta"] = {
        key: np.concatenate([trace.meta[key] for trace in listed]) for key in first.meta
    }
    if first.pictures is not None:
        fields |= _joined_pictures(listed, shift)
    same = ("layers", "image_size", "grid", "routers", "kinds", "made_by")
    return {**fields, **{name: getattr(first, name) for name in same}}


def _alike(traces: list[Any]) -> list[Any]:
    """The traces with the same kinds of tokens, names of meta, and tables of pictures, if any."""
    kinds = tuple(dict.fromkeys(kind for trace in traces for kind in trace.kinds))
    meta = dict.fromkeys(key for trace in traces for key in trace.meta)
    tables = any(trace.pictures is not None for trace in traces)
    found = []
    for trace in traces:
        nothing = np.zeros(trace.num_pairs, "U1")
        parts: dict[str, Any] = {"meta": {key: trace.meta.get(key, nothing) for key in meta}}
        if kinds != MODALITIES:
            place = np.array([kinds.index(kind) for kind in trace.kinds], np.uint8)
            kind = trace.modality if trace.kind is None else trace.kind
            parts |= {"kinds": kinds, "kind": place[kind]}
        if tables and trace.pictures is None and not trace.grid:
            none = np.zeros(0, np.int32)
            parts["pictures"] = Pictures(none, none, none, none, none)
            parts["picture"] = np.full(trace.num_tokens, -1, np.int32)
        found.append(dataclasses.replace(trace, **parts))
    return found


def _joined_pictures(listed: Sequence[Any], shift: np.ndarray) -> dict[str, Any]:
    tables = [trace.pictures for trace in listed]
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in TABLE}
    columns["pair"] = np.concatenate(
        [table.pair + at for table, at in zip(tables, shift, strict=False)]
    ).astype(np.int32)
    before = np.cumsum([0, *map(len, tables)])
    picture = np.concatenate(
        [
            np.where(trace.picture >= 0, trace.picture + at, -1)
            for trace, at in zip(listed, before, strict=False)
        ]
    ).astype(np.int32)
    content: tuple[bytes, ...] = ()
    if all(len(table.content) == len(table) for table in tables):
        content = tuple(each for table in tables for each in table.content)
    return {"pictures": Pictures(**columns, content=content), "picture": picture}
