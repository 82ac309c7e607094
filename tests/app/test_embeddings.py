"""What the Embeddings page says of the reader's own texts."""

from __future__ import annotations

from pathlib import Path

from tests.app.one_page import open_page, said


def test_own_texts_are_placed_where_there_are_parameters(runs_folder: Path) -> None:
    page = open_page("embeddings", runs_folder, run="small", mine="a red apple", step="20")
    assert not page.exception and not page.error
    assert "7 texts" in said(page)
    page = open_page("embeddings", runs_folder, run="small", mine="a red apple", step="0")
    assert not page.exception and not page.error
    assert "Step 0 has no parameters" in said(page)
