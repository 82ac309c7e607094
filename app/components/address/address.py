"""Correction of the browser's address bar without a new entry in its history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from app.components import define

_ADDRESS = define("address", Path(__file__).parent, scripts=("address",))


def correct(parameters: Mapping[str, str]) -> None:
    """Replaces the parameters in the browser's address bar, once.

    `st.query_params` can only add an entry to the history. After a page turn Back would then lead
    to the same page without its parameters.
    """
    _ADDRESS(key="address", data={"id": uuid4().hex, "parameters": dict(parameters)})
