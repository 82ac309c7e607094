"""Authors and licences at the foot of a page."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def _script(said: object) -> None:
    from types import SimpleNamespace

    from app.shell import credits

    credits.show(SimpleNamespace(info={"data": {"attributions": said}}))  # type: ignore[arg-type]


_LUCIDE = {
    "style": "lucide",
    "title": "Lucide",
    "author": "Lucide Contributors",
    "licence": "ISC",
    "licence_url": "https://example.org/licence",
    "url": "https://example.org",
    "change": "drawn at 72×72 pixels",
}


def shown(said: Any) -> AppTest:
    page = AppTest.from_function(_script, kwargs={"said": said}).run()
    assert not page.exception
    return page


def test_authors_licences_and_changes_are_shown_as_plain_text() -> None:
    page = shown([_LUCIDE, {**_LUCIDE, "title": "<b>*Bold*</b>"}])
    assert page.expander[0].label == "Authors and licences of the pictures and names"
    table = page.dataframe[0].value
    first, second = table.to_dict("records")
    assert set(_LUCIDE.values()) - {"lucide"} == set(first.values())
    assert second["what"] == "<b>*Bold*</b>"
    assert not page.dataframe[0].proto.columns or "link" not in page.dataframe[0].proto.columns


@pytest.mark.parametrize(
    "said", [None, [], "x", [None], [{"title": "half"}], [{**_LUCIDE, "url": 1}]]
)
def test_what_a_run_does_not_say_is_not_shown(said: Any) -> None:
    assert not shown(said).expander
