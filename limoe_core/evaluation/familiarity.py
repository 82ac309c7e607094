"""How much of a concept's name training has read: whether a "new" concept is as new as that.

A concept that no picture of training shows may still be named there: by a picture of another set,
in other words ("apples" for "apple"), among the aliases of another concept, or all but for one
word. Whoever asks what a model knows of new concepts wants the answer without these as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

if TYPE_CHECKING:
    from limoe_core.data.pairs import PairSet

#: The same words, order, number and little words aside.
NAMED = "named in training"
#: One word more or less, or another one beside two that are the same.
NEAR = "one word from a name in training"
#: Each of its words is in some caption.
KNOWN = "words of training"
NEW = "a word that training never read"
#: From the most familiar to the least.
KINDS = (NAMED, NEAR, KNOWN, NEW)

_LITTLE = frozenset("a an and at for in of on s the to with".split())
#: Of a name that shares so many words with another, one more may differ.
_SHARED = 2

Words = tuple[str, ...]


def familiarity(names: Sequence[str], captions: Iterable[str]) -> Shaped[np.ndarray, " n"]:
    """The kind of each name, one of `KINDS`, given all captions of training in its language.

    It is a matter of spelling: "rubbish" and "garbage" have nothing in common, and "light" of a
    lamp and of a weight are one word.
    """
    trained = {words(caption) for caption in captions}
    vocabulary = {word for each in trained for word in each}
    # Of each caption without one of its words, so that near names are found without comparing all.
    without = {less for each in trained for less in _without_one(each)}

    def kind(name: str) -> str:
        own = words(name)
        if not own or own in trained:
            return NAMED if own in trained else NEW
        shorter = list(_without_one(own))
        if own in without or any(less in trained for less in shorter if less):
            return NEAR
        if any(less in without for less in shorter if len(less) >= _SHARED):
            return NEAR
        return KNOWN if vocabulary.issuperset(own) else NEW

    return np.array([kind(str(name)) for name in names], np.str_)


def training_captions(pairs: PairSet) -> Iterator[str]:
    """Captions of a training split in its first language: names, aliases, those of one picture."""
    table = pairs.concepts
    names = table.names[table.first_language]
    for concept in pairs.shown.tolist():
        yield str(names[concept])
        yield from map(str, table.aliases[concept])
    if pairs.caption is not None:
        yield from filter(None, map(str, pairs.caption))


def words(text: str) -> Words:
    """The words of a text in alphabetical order, without little words and the plural's s.

    Of a text that has no others, the little words; of one that has no words, all of it.
    """
    plain = unicodedata.normalize("NFC", text.casefold())
    # Vowels of many scripts are marks on the letters.
    found = _words_and_marks(re.sub(r"[’']s\b", "", plain))
    large = [_singular(word) for word in found if word not in _LITTLE]
    return tuple(sorted(large or found or plain.split()))


def _words_and_marks(text: str) -> list[str]:
    return "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in text).split()


def _singular(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def _without_one(found: Words) -> Iterator[Words]:
    for place in range(len(found)):
        yield found[:place] + found[place + 1 :]
