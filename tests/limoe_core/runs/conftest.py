"""A run that holds nothing but its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from limoe_core.runs import Run
from tests.limoe_core.runs.examples import DEBUG


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "a-run", DEBUG, data={"name": "emoji/base:1.0.0"}, parameters=42)
