"""The command that records other models, where torch is not installed."""

from __future__ import annotations

import sys

import pytest

from limoe_core import record


def test_without_torch_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert record.main(["model", "--pairs", "pairs", "--run", "run"]) == 1
    assert "limoe-lens[transformers]" in capsys.readouterr().err


def test_its_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        record.main(["--help"])
    out = capsys.readouterr().out
    for option in ("--pairs", "--run", "--batch", "--prompt", "--device", "--dtype", "--causes"):
        assert option in out
