"""The normal form of a text: one spelling for what readers take for the same.

NFC; one apostrophe, one pair of quotation marks, one dash; full-width forms as plain ones; any
white space as single spaces; no characters that show nothing and mean nothing where they stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

#: Variants of one mark, the typographic one first. Which of them a text gets is its form's choice.
APOSTROPHES = "’'‘‛ʼʻ`´′\u1fef\u1ffd"
DASHES = "-‐‑‒–—―−﹘﹣"
QUOTES = '“”"„‟″〝〞〟'
#: Opening and closing mark; the first is typographic.
QUOTE_PAIRS = (("“", "”"), ("«", "»"), ('"', '"'))

_ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner
_FLAG = "\U0001f3f4"  # which tags may follow
_TAGS = range(0xE0020, 0xE0080)
_VIRAMA = 9  # combining class
#: Characters that show nothing: controls and format characters but joiners and tags, variation
#: selectors, fillers of Hangul and the combining grapheme joiner.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u17b4\u17b5\u180e\u200b\u200e"
    "\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e001f\U000e0100-\U000e01ef]"
)
_SPACE = re.compile(r"\s")
_WIDE = re.compile("[\uff01-\uffee]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class NormalText(NamedTuple):
    """A text in normal form."""

    text: str
    places: list[int] | None
    """Where each of its characters begins in the text as written; None if nothing was changed."""
    changes: tuple[str, ...]
    """Sentences about what was changed, but for white space; none of them twice."""

    def written(self, place: int) -> int:
        """Place in the text as written of a place in the normal form, not behind its end."""
        return place if self.places is None else self.places[place]


class _Letter(NamedTuple):
    """A character on its way, and the place of the text as written that it stands for."""

    text: str
    place: int


@dataclass(frozen=True)
class NormalForm:
    """Which variant of each mark texts are brought to."""

    apostrophe: str = APOSTROPHES[0]
    dash: str = DASHES[0]
    quotes: tuple[str, str] = QUOTE_PAIRS[0]

    @classmethod
    def known(cls, pieces: Iterable[str]) -> NormalForm:
        """The variants that most pieces of a vocabulary hold; typographic ones where none does."""
        whole = "\n".join(pieces)
        return cls(
            max(APOSTROPHES, key=whole.count),
            max(DASHES, key=whole.count),
            max(QUOTE_PAIRS, key=lambda pair: min(whole.count(mark) for mark in pair)),
        )

    def __call__(self, text: str) -> NormalText:
        """A text in normal form, its places in the text as written, and what was changed."""
        if not self._suspect.search(text) and unicodedata.is_normalized("NFC", text):
            return NormalText(text, None, ())
        changes: dict[str, None] = {}  # in the order of the text
        letters = self._in_context(self._alone(text, changes), changes)
        letters = _composed(letters, changes)
        return NormalText(
            "".join(letter.text for letter in letters),
            [letter.place for letter in letters for _ in letter.text],
            tuple(changes),
        )

    @cached_property
    def _suspect(self) -> re.Pattern[str]:
        """What a text holds if anything but the composition of its letters can change."""
        marks = re.escape(
            (APOSTROPHES + DASHES + QUOTES).translate(
                {ord(self.apostrophe): None, ord(self.dash): None}
            )
        )
        sets = (_UNSEEN, _WIDE, _SURROGATE)
        inner = "".join(each.pattern[1:-1] for each in sets)
        return re.compile(
            rf"[{inner}{marks}{_ELLIPSIS}{_JOINERS}\U000e0020-\U000e007f]|[^\S ]|^ | $|  "
        )

    def _alone(self, text: str, changes: dict[str, None]) -> list[_Letter]:
        """What can be done to each character without looking at its neighbours."""
        letters = []
        for place, letter in enumerate(text):
            if _UNSEEN.match(letter):
                changes[f"{_name(letter)} is left out."] = None
                continue
            for found in _plain(letter, changes):
                letters.append(_Letter(self._mark(found, changes), place))
        return letters

    def _mark(self, letter: str, changes: dict[str, None]) -> str:
        for marks, chosen in ((APOSTROPHES, self.apostrophe), (DASHES, self.dash)):
            if letter in marks and letter != chosen:
                changes[f"{letter} is read as {chosen}."] = None
                return chosen
        return letter

    def _in_context(self, letters: list[_Letter], changes: dict[str, None]) -> list[_Letter]:
        """Joiners, tags, quotation marks and spaces, which depend on what is beside them."""
        out: list[_Letter] = []
        followers = [*letters[1:], _Letter(" ", 0)][: len(letters)]
        for letter, following in zip(letters, followers, strict=True):
            before = out[-1].text if out else " "
            if letter.text == " " and before == " ":
                continue
            if letter.text in _JOINERS or ord(letter.text) in _TAGS:
                if not _joins(before, letter.text, following.text):
                    changes[f"{_name(letter.text)} is left out."] = None
                    continue
            elif letter.text in QUOTES:
                mark = self.quotes[not _opens(before)]
                if mark != letter.text:
                    changes[f"{letter.text} is read as {mark}."] = None
                    letter = letter._replace(text=mark)
            out.append(letter)
        if out and out[-1].text == " ":
            out.pop()
        return out


def _plain(letter: str, changes: dict[str, None]) -> str:
    """A space for any white space, plain forms of full-width ones, three dots for an ellipsis."""
    if _SPACE.match(letter):
        return " "
    if _SURROGATE.match(letter):
        changes["Half a surrogate pair is read as \ufffd."] = None
        return "\ufffd"
    if letter == _ELLIPSIS:
        changes["… is read as three dots."] = None
        return "..."
    plain = unicodedata.normalize("NFKC", letter) if _WIDE.match(letter) else letter
    if plain != letter:
        changes["Full-width and half-width characters are read as plain ones."] = None
    return plain


def _joins(before: str, letter: str, after: str) -> bool:
    """Whether a joiner or a tag means something between these two.

    A joiner shapes letters of scripts that join (RFC 5892, A.1 and A.2), and makes one emoji of
    several; tags spell the region of a flag.
    """
    if letter not in _JOINERS:
        return before == _FLAG or ord(before) in _TAGS
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if letter == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk")
    return all(unicodedata.bidirectional(each) in ("AL", "NSM") for each in (before, after))


def _opens(before: str) -> bool:
    """Whether a quotation mark behind this character opens a quotation."""
    return before == " " or unicodedata.category(before) in ("Ps", "Pi", "Pd")


def _composed(letters: list[_Letter], changes: dict[str, None]) -> list[_Letter]:
    """In NFC; every character that a group of letters becomes stands where the group begins."""
    text = "".join(letter.text for letter in letters)
    if unicodedata.is_normalized("NFC", text):
        return letters
    changes["Letters and their accents are read as one character each (NFC)."] = None
    groups: list[list[_Letter]] = []
    whole = ""  # the last group, composed, while it is one character
    for letter in letters:
        both = unicodedata.normalize("NFC", whole + letter.text) if whole else ""
        if groups and (unicodedata.combining(letter.text) or len(both) == 1):
            groups[-1].append(letter)
            whole = both if len(both) == 1 else ""
        else:
            groups.append([letter])
            whole = unicodedata.normalize("NFC", letter.text)
            whole = whole if len(whole) == 1 else ""
    return [
        _Letter(composed, group[0].place)
        for group in groups
        for composed in unicodedata.normalize("NFC", "".join(each.text for each in group))
    ]


def _name(letter: str) -> str:
    """A name for a character that shows nothing."""
    name = unicodedata.name(letter, "").lower() or f"U+{ord(letter):04X}"
    return f"The invisible {name}"
