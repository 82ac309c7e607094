"""Every style that is shown is attributed."""

from __future__ import annotations

from limoe_core.data.emoji.art import FULL_STYLES
from limoe_core.data.emoji.attribution import ATTRIBUTIONS


def test_every_style_has_one_attribution() -> None:
    assert sorted(a.style for a in ATTRIBUTIONS) == sorted([*FULL_STYLES, "names"])


def test_a_sentence_names_author_licence_and_change() -> None:
    for attribution in ATTRIBUTIONS:
        sentence = attribution.sentence()
        for part in (
            attribution.title,
            attribution.author,
            attribution.licence,
            attribution.change,
        ):
            assert part in sentence
        assert attribution.url.startswith("https://")
        assert attribution.licence_url.startswith("https://")
