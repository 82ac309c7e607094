"""The guide's example runs as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the recorder's tests need the extra [transformers]")
pytest.importorskip("transformers", reason="the recorder's tests need the extra [transformers]")

pytestmark = pytest.mark.transformers

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "lens.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "8 experts, top 2" in done.stdout
