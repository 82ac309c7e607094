"""Every page that shows routing takes the routers that settings can make, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import analysis
from limoe_core.runs.directory import Run
from tests.app.example_runs import make_small
from tests.app.one_page import figures, frames, open_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with a balancing bias, a frozen router, a shared expert and finer ones."""
    folder = tmp_path_factory.mktemp("others")
    make_small(
        folder / "small",
        experts=8,
        top_k=4,
        expert_dim=16,
        shared_dim=24,
        router="frozen",
        balance="modality",
    )
    return folder


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("routing", {}),
        ("experts", {"view": "modalities"}),
        ("experts", {"view": "closely"}),
        ("experts", {"view": "preferences"}),
        ("experts", {"view": "paths"}),
        ("emergence", {}),
    ],
)
def test_the_page_is_drawn(folder: Path, page: str, address: dict[str, str]) -> None:
    shown = open_page(page, folder, **address)
    assert not shown.exception
    assert not shown.error
    if page == "experts":
        assert figures(shown)
        if address["view"] == "modalities":
            wanted = analysis.roles(Run.open(folder / "small").probe(20))
            assert len(wanted) == 2 * 8
            assert frames(shown)[0]["role"].tolist() == wanted["role"].tolist()
