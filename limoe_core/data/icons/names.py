"""From an icon's name to what it shows: `home-24-filled` is a home, and a filled one.

Iconify's names are English words joined by hyphens. At their end, in some sets at their beginning,
stand words of style, sizes and numbers of variants. Whether "line" or "light" is a style or what is
shown depends on the set, so each set is asked what its names end in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

# Words that speak of the way of drawing wherever they stand at the end of a name.
_STYLE = frozenset(
    "outline outlined filled duotone twotone linear solid rounded regular baseline".split()
)
# Those that do so only in sets where many names end in them: a traffic light is no light drawing.
_OFTEN_STYLE = frozenset(
    "line fill light thin bold round sharp flat color broken duo remix o small large mini "
    "stroke semibold extrabold medium sm lg".split()
)
_SIZES = frozenset("8 10 12 14 15 16 18 20 21 24 28 30 32 40 48 64 96 16px 20px 24px 32px".split())
#: Share of a set's names that must end in a word for it to count as style there.
_OFTEN = 0.04
# Of these the number is part of what is shown.
_COUNTED = frozenset("number numeric dice die looks filter circle square battery signal".split())
_LOGO = frozenset("brand brands logo logos logotype".split())
_VARIANT = re.compile(r"0?[1-9]|one|two|three|four|alt|variant")
_MOST_WORDS = 6


@dataclass(frozen=True)
class Name:
    """A name taken apart."""

    concept: tuple[str, ...]
    """Words of what is shown."""
    style: tuple[str, ...] = ()
    """Words of how it is drawn."""
    size: int = 0
    """Pixels that it is drawn for; 0 where the name does not say."""
    variant: str = ""
    """Number of one of several drawings of the same thing."""

    @property
    def key(self) -> str:
        """The concept as a key: `arrow-left`."""
        return "-".join(self.concept)

    @property
    def caption(self) -> str:
        """The concept with its words of style, `arrow left outline`; "" where there are none."""
        return " ".join((*self.concept, *self.style)) if self.style else ""

    @property
    def is_useful(self) -> bool:
        """False for names that say too little or too much, and for logos."""
        words = self.concept
        return (
            0 < len(words) <= _MOST_WORDS
            and any(word.isalpha() and len(word) > 1 for word in words)
            and not {words[0], words[-1]} & _LOGO
        )


class Names:
    """The names of one set."""

    def __init__(self, names: Iterable[str]) -> None:
        self._words = {name: _words(name) for name in names}

    def parse(self, name: str) -> Name:
        """Takes a name of the set apart."""
        words = self._words[name]
        at_start, at_end = self._style
        words, first = _leading(words, at_start)
        words, last, size = _trailing(words, at_end)
        variant = ""
        if len(words) > 1 and _VARIANT.fullmatch(words[-1]) and words[-2] not in _COUNTED:
            words, variant = words[:-1], words[-1]
        style = tuple("outline" if word == "o" else word for word in (*first, *last))
        return Name(tuple(words), style, size, variant)

    @cached_property
    def _style(self) -> tuple[frozenset[str], frozenset[str]]:
        """Words of style at the beginning and at the end of this set's names."""
        least = _OFTEN * len(self._words)
        first = Counter(words[0] for words in self._words.values())
        candidates = _STYLE | _OFTEN_STYLE | _SIZES
        last: Counter[str] = Counter()
        for words in self._words.values():
            found, *_ = _trailing(words, candidates)
            last.update(set(words[len(found) :]))
        sizes = sum(count for word, count in last.items() if word in _SIZES)
        often = {word for word in _OFTEN_STYLE if last[word] > least}
        return (
            frozenset(word for word in _STYLE | _OFTEN_STYLE if first[word] > least),
            _STYLE | often | (_SIZES if sizes > least else frozenset()),
        )


def _words(name: str) -> list[str]:
    return name.lower().replace("two-tone", "twotone").split("-")


def _leading(words: list[str], style: frozenset[str]) -> tuple[list[str], list[str]]:
    """The words after those of style at the beginning, and these."""
    count = 0
    while count < len(words) - 1 and words[count] in style:
        count += 1
    return words[count:], words[:count]


def _trailing(words: list[str], style: frozenset[str]) -> tuple[list[str], list[str], int]:
    """The words before those of style and size at the end, the former, and the largest size."""
    count = len(words)
    while count > 1 and words[count - 1] in style:
        count -= 1
    ending = words[count:]
    sizes = [int(word.removesuffix("px")) for word in ending if word in _SIZES]
    return words[:count], [word for word in ending if word not in _SIZES], max(sizes, default=0)
