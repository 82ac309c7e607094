"""Which of Iconify's sets are taken, who made them, and which are of one hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limoe_core.data.attribution import Attribution

#: Licences (SPDX) that allow pictures to be used, changed and passed on for any purpose. All others
#: are left out: non-commercial ones, the GPL, which is one for programs, and unknown ones.
OPEN_LICENCES = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "BSD-3-Clause": "https://opensource.org/license/bsd-3-clause",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ISC": "https://opensource.org/license/isc-license-txt",
    "MIT": "https://opensource.org/license/mit",
    "MPL-2.0": "https://www.mozilla.org/MPL/2.0/",
    "OFL-1.1": "https://openfontlicense.org",
    "Unlicense": "https://unlicense.org",
}

# Logos have the names of companies: nothing that is learned of one helps with another.
_LOGO_CATEGORIES = frozenset({"Logos", "Programming"})
_LOGO_SETS = frozenset("fa-brands fa6-brands fa7-brands".split())
_NO_LOGOS = frozenset({"codicon"})  # of the category Programming
# The emoji set has their drawings, in splits and languages of its own.
_EMOJI_CATEGORY, _EMOJI_SETS = "Emoji", frozenset({"fluent-emoji"})
# Their names are codes of countries.
_CODED_SETS = frozenset("flag circle-flags cif flagpack".split())
# Their drawings move, and begin empty.
_MOVING = "Contains Animations"

# Sets of one hand, or drawn after one another, that the beginning of their names does not tell.
_FAMILY = {
    "fa6": "fa",
    "fa7": "fa",
    "boxicons": "bx",
    "bxs": "bx",
    "ic": "material",
    "mdi": "material",
    "zmdi": "material",
    "lucide": "feather",
    "mi": "mono",
    "famicons": "ion",
    "icons8": "la",
    "map": "maki",
    "pinhead": "maki",
    "reicon": "solar",
    "temaki": "maki",
    "sidekickicons": "heroicons",
    "uim": "uil",
    "uis": "uil",
    "uit": "uil",
    "vadivam": "mynaui",
}


def family_of(prefix: str) -> str:
    """See `Collection.family`."""
    first = prefix.split("-")[0]
    return prefix if prefix == "si-glyph" else _FAMILY.get(first, first)


@dataclass(frozen=True)
class Collection:
    """One set: what Iconify says of it."""

    prefix: str
    """Its short name, which is the style of its drawings."""
    title: str
    author: str
    url: str
    spdx: str
    licence_url: str
    category: str
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, prefix: str, entry: Mapping[str, Any]) -> Collection:
        """From an entry of `collections.json`."""
        licence, author = entry.get("license", {}), entry.get("author", {})
        spdx = str(licence.get("spdx", ""))
        return cls(
            prefix=prefix,
            title=str(entry.get("name", prefix)),
            author=str(author.get("name", "")),
            url=str(author.get("url", "") or f"https://icon-sets.iconify.design/{prefix}/"),
            spdx=spdx,
            licence_url=str(licence.get("url", "") or OPEN_LICENCES.get(spdx, "")),
            category=str(entry.get("category", "")),
            tags=tuple(entry.get("tags", ())),
        )

    @property
    def family(self) -> str:
        """Sets with the same family are near duplicates, so a split holds out all or none."""
        return family_of(self.prefix)

    @property
    def left_out(self) -> str:
        """Why the set is not taken: `licence`, `logos`, `emoji`, `codes` or `moving`; "" if it is.

        In this order, so that a set is counted once.
        """
        if self.spdx not in OPEN_LICENCES:
            return "licence"
        if self.prefix in _LOGO_SETS or (
            self.category in _LOGO_CATEGORIES and self.prefix not in _NO_LOGOS
        ):
            return "logos"
        if self.category == _EMOJI_CATEGORY or self.prefix in _EMOJI_SETS:
            return "emoji"
        if self.prefix in _CODED_SETS:
            return "codes"
        return "moving" if _MOVING in self.tags else ""

    def attribution(self, change: str) -> Attribution:
        """Author and licence, as they are shown with the pictures."""
        return Attribution(
            self.prefix, self.title, self.author, self.spdx, self.licence_url, self.url, change
        )
