"""The normal form of texts: what reads the same is the same, and what was changed is known."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limoe_core.text import APOSTROPHES, DASHES, QUOTE_PAIRS, QUOTES, NormalForm

FORMS = [
    NormalForm(),
    NormalForm(apostrophe="'", dash="–", quotes=('"', '"')),
    NormalForm(quotes=("«", "»")),
]
#: Text that holds what is changed more often than any text would.
ODD = st.text(
    st.one_of(
        st.sampled_from(APOSTROPHES + DASHES + QUOTES + "«»…\u200b\u200c\u200d\ufe0f\ufeff\u00ad"),
        st.sampled_from(
            " \t\n\u00a0\u3000\u2028ａ！＂＇－￣ｶﾞﾡￂ\ud800\U0001f3f4\U000e0067\U000e007f"
        ),
        st.sampled_from("aeEの가हिन्दी्ا می👩❤🔥\u0301\u0323\u3099\u1161\u11a8\u0bbe\u0bc6\u0344"),
        st.characters(),
    ),
    max_size=30,
)


@pytest.mark.parametrize("form", FORMS)
@given(text=ODD)
def test_the_normal_form_of_a_normal_form_is_itself(form: NormalForm, text: str) -> None:
    once = form(text).text
    again = form(once)
    assert again.text == once
    assert again.changes == ()
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())


@given(text=ODD)
def test_composed_and_decomposed_texts_are_equal(text: str) -> None:
    form = NormalForm()
    composed, decomposed = (unicodedata.normalize(kind, text) for kind in ("NFC", "NFD"))
    assert form(composed).text == form(decomposed).text


@given(text=ODD)
def test_places_are_where_each_character_was_written(text: str) -> None:
    found = NormalForm()(text)
    places = [found.written(place) for place in range(len(found.text))]
    assert places == sorted(places)
    for letter, place in zip(found.text, places, strict=True):
        assert place < len(text)
        if letter.isascii() and letter.isalnum() and text[place].isascii():
            assert text[place] == letter


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_variants_of_a_mark_are_equal(form: NormalForm, data: st.DataObject) -> None:
    def written() -> str:
        apostrophe, dash, one, other = (
            data.draw(st.sampled_from(marks)) for marks in (APOSTROPHES, DASHES, QUOTES, QUOTES)
        )
        unseen = data.draw(st.sampled_from(["", "\u200b", "\ufeff", "\ufe0f", "\u00ad", "\u202e"]))
        space = data.draw(st.sampled_from([" ", "\u00a0", "\n", "\t ", "\u3000"]))
        return f"a{space}woman{apostrophe}s{unseen} {one}top{dash}hat{other}{unseen}"

    assert form(written()).text == form(written()).text


@pytest.mark.parametrize(
    "text, normal, changes",
    [
        ("a red apple", "a red apple", ()),
        ("  two\nlines \u3000", "two lines", ()),
        ("woman's hat", "woman’s hat", ("' is read as ’.",)),
        ('a "red" one', "a “red” one", ('" is read as “.', '" is read as ”.')),
        ("t–shirt", "t-shirt", ("– is read as -.",)),
        ("wait…", "wait...", ("… is read as three dots.",)),
        ("ｒｅｄ", "red", ("Full-width and half-width characters are read as plain ones.",)),
        ("a\u200b cat", "a cat", ("The invisible zero width space is left out.",)),
        ("\ufeffcat", "cat", ("The invisible zero width no-break space is left out.",)),
        (
            "cafe\u0301",
            "café",
            ("Letters and their accents are read as one character each (NFC).",),
        ),
        ("\ud800", "\ufffd", ("Half a surrogate pair is read as \ufffd.",)),
        ("‘a", "’a", ("‘ is read as ’.",)),
    ],
)
def test_what_was_changed_is_told(text: str, normal: str, changes: tuple[str, ...]) -> None:
    found = NormalForm()(text)
    assert (found.text, found.changes) == (normal, changes)


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",  # Persian: the non-joiner parts a prefix from its verb
        "क्\u200dष",  # Devanagari: a joiner behind a virama asks for a half form
        "👩\u200d🚀",
        "👩🏽\u200d🚀",
        "🏴\U000e0067\U000e0062\U000e007f",
    ],
)
def test_joiners_and_tags_that_mean_something_are_kept(text: str) -> None:
    assert NormalForm()(text).text == text


@pytest.mark.parametrize("text", ["a\u200cb", "a\u200db", "\u200dcat", "👩\u200d", "a\U000e0067b"])
def test_joiners_and_tags_that_mean_nothing_are_left_out(text: str) -> None:
    found = NormalForm()(text)
    assert found.text == "".join(c for c in text if c.isalpha() or c == "👩")
    assert len(found.changes) == 1


def test_a_form_takes_the_variants_that_a_vocabulary_knows_best() -> None:
    assert NormalForm.known([]) == NormalForm("’", "-", QUOTE_PAIRS[0])
    plain = NormalForm.known(["▁dog", "'", "'s", "’", "–", '"'])
    assert plain == NormalForm("'", "–", ('"', '"'))
    assert NormalForm.known(["«", "»", "“"]).quotes == ("«", "»")
