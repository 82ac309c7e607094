"""Categories of what icons show, from the groups that some sets sort their icons into.

The sets have 478 names for their groups, such as "Food", "FoodDrink" and "Food & Beverages". A word
in such a name decides; groups that no word places, such as "Brand" or "24px", place nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# The first that fits counts.
_CATEGORIES = {
    "Arrows": "arrow chevron direction",
    "Weather": "weather climate",
    "Food & Drink": "food drink beverage kitchen fruit restaurant",
    "Animals & Nature": "animal nature plant pet tree flower ecology environment agriculture",
    "Health": "health medical medicine hospital body wellness disability accessibility",
    "Sports": "sport fitness gym",
    "Games": "game gaming toy",
    "Music & Sound": "music audio sound volume",
    "Photo & Video": "photo image picture camera video movie film media player",
    "Transport": "transport vehicle car traffic automotive",
    "Travel & Maps": "travel map location navigation geo hotel place",
    "Buildings & Home": "building house home furniture household city real",
    "Money & Shopping": "money shop commerce payment finance currency currencie business bank",
    "Time": "time date calendar clock",
    "Communication": "communication chat message mail email phone call social",
    "People": "people user account avatar human face hand gesture emotion emoji family",
    "Files": "file folder document office archive",
    "Text": "text edit typography format editor letter alphabet alphanumeric paragraph",
    "Technology": "device hardware computer technology network server cloud data database develop "
    "development code coding program electronic",
    "Science": "science math education school learn space astronomy",
    "Security": "security lock privacy protection",
    "Tools": "tool construction setting settings maintenance work",
    "Clothes": "clothe clothes clothing fashion apparel",
    "Culture": "religion culture holiday holidays celebration event festival entertainment art",
    "Design": "design shape layout align brush color graphic",
    "Flags": "flag country",
    "Energy": "energy battery power electricity",
    "Symbols": "symbol sign status alert notification interface",
}
_BY_WORD = {word: name for name, words in reversed(_CATEGORIES.items()) for word in words.split()}
_RANK = {name: place for place, name in enumerate(_CATEGORIES)}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def category_of(group: str) -> str:
    """Our category for a set's own group; "" for none."""
    words = [word.lower() for word in _WORD.findall(group)]
    found = {_BY_WORD.get(word) or _BY_WORD.get(word.removesuffix("s"), "") for word in words}
    return min(found - {""}, key=_RANK.__getitem__, default="")


def most_common(groups: Iterable[str]) -> str:
    """The category that most of these groups of a concept's icons have; "" for none."""
    counts = Counter(category for group in groups if (category := category_of(group)))
    return min(counts, key=lambda name: (-counts[name], _RANK[name]), default="")
