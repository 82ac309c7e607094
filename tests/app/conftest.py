"""Runs and a way to open the dashboard on them without a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest, local_script_runner

from tests.app.example_runs import make_runs

ENTRY = Path(__file__).parents[2] / "app" / "streamlit_app.py"


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("dashboard") / "runs")


@pytest.fixture(autouse=True)
def _own_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts back the `__main__` that AppTest replaces: a spawned process would start from it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the dashboard on a folder of runs, with what the address bar says."""

    def open_at(folder: Path, **address: str) -> AppTest:
        monkeypatch.setattr("sys.argv", ["streamlit_app.py", "--runs", str(folder)])
        page = AppTest.from_file(str(ENTRY), default_timeout=120)
        for name, value in address.items():
            page.query_params[name] = value
        return page.run()

    return open_at


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[ForwardMsg]:
    """What the last script run has sent."""
    messages: list[ForwardMsg] = []
    parse = local_script_runner.parse_tree_from_messages

    def keep(run: list[ForwardMsg]):  # type: ignore[no-untyped-def]
        messages[:] = run
        return parse(run)

    monkeypatch.setattr(local_script_runner, "parse_tree_from_messages", keep)
    return messages
