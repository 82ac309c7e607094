"""Which emoji are variants of one another, and so belong on one side of a split of concepts.

A model that has seen a man surfing and the words "man surfing" finds a woman surfing without
knowing anything new. So these share a base concept:

- gender, skin and direction, which are code points of their own in a sequence (UTS 51), and
  persons, couples and families of all kinds;
- the same in characters of their own, such as prince and princess, or the four pointing hands;
- what is drawn alike in one of the nine styles, such as the flags of Chad and Romania, or squares
  of several sizes. They were found with `limoe_core.data.icons.copies` among all drawings.

It is a matter of the characters alone, so splits do not depend on which styles are installed.
"""

from __future__ import annotations

import functools

from limoe_core.data.emoji.concepts import bare, code_points

_JOINER = "-200D-"
_SKIN = frozenset(f"{tone:04X}" for tone in range(0x1F3FB, 0x1F400))
#: Signs of gender and direction that are joined to a character: ♀ ♂ ➡ ↔ ↕.
_SIGNS = frozenset({"2640", "2642", "27A1", "2194", "2195"})
#: Men and women as persons, boys and girls as children.
_PERSONS = {"1F468": "1F9D1", "1F469": "1F9D1", "1F466": "1F9D2", "1F467": "1F9D2"}
_PEOPLE = frozenset(_PERSONS.values())
_FAMILY = "1F46A"

#: Variants without a rule; the first stands for all.
_VARIANTS = (
    # persons
    "🧓 👴 👵",
    "🎅 🤶 🧑‍🎄",
    "🫅 🤴 👸",
    "🕺 💃",
    "🫄 🤰 🫃",
    "🧑‍🍼 🤱",
    "🧑‍🤝‍🧑 👫 👬 👭",
    "💏 🧑‍❤️‍💋‍🧑",
    "💑 🧑‍❤️‍🧑",
    "🚻 🚹 🚺",
    # directions
    "➡️ ↗️ ⬆️ ↖️ ⬅️ ↙️ ⬇️ ↘️ ↔️ ↕️",
    "↪️ ↩️ ⤴️ ⤵️",
    "👉 👈 👆 👇",
    "🤜 🤛",
    "🫱 🫲",
    "🫸 🫷",
    "🫳 🫴",
    "👍 👎",
    "🔍 🔎",
    "▶️ ◀️ 🔼 🔽",
    "⏩ ⏪ ⏫ ⏬",
    "⏭️ ⏮️",
    "🔺 🔻",
    "🌒 🌘",
    "🌓 🌗",
    "🌔 🌖",
    "🌙 🌛 🌜",
    "📈 📉",
    "📥 📤",
    "🙂 🙃",
    "🚌 🚍",
    "🚓 🚔",
    "🚕 🚖",
    "🚗 🚘",
    # drawn alike
    "🧑 👱 🙍 🙎",
    "⬛ ◼️ ◾ ▪️ 🔳",
    "⬜ ◻️ ◽ ▫️",
    "🔶 🔸",
    "🔷 🔹",
    "🌑 ⚫",
    "🌕 🟡",
    "☀️ 🌞",
    "🌍 🌎 🌏",
    "🕕 🕧",
    "⌛ ⏳",
    "😈 👿",
    "😦 😯",
    "🐱 😺 😸",
    "❤️ 💓",
    "🥇 🏅",
    "💴 💵 💶 💷",
    "💿 📀",
    "☃️ ⛄",
    "🏣 🏤",
    "🔅 🔆",
    "✡️ 🔯",
)
#: Flags that are drawn alike, by country code; the first stands for all.
_FLAGS = (
    "AR HN NI SV",
    "AU HM",
    "ES EA",
    "FR CP MF WF",
    "HU TJ",
    "ID MC",
    "IN NE",
    "IO DG",
    "ME KG",
    "NL PY",
    "NO BV SJ",
    "RO TD",
    "SH TA",
    "US UM",
)


def base_concept(key: str) -> str:
    """Bare key of the concept that an emoji is a variant of; its own if it is of no other.

    Args:
      key: code points in upper-case hexadecimal, with or without FE0F.
    """
    reduced = _reduced(bare(key))
    return _bases().get(reduced, reduced)


def is_plain(key: str) -> bool:
    """Whether an emoji says nothing of gender or direction, as "farmer" beside "man farmer"."""
    first, *others = bare(key).split(_JOINER)
    return not (_PERSONS.keys() & {first, *others} or _SIGNS & set(others))


def _reduced(key: str) -> str:
    """A bare key without skin, gender and direction."""
    first, *others = key.split(_JOINER)
    parts = [
        _PERSONS.get(character, character)
        for part in (first, *(part for part in others if part not in _SIGNS))
        if (character := "-".join(code for code in part.split("-") if code not in _SKIN))
    ]
    if len(parts) > 1 and _PEOPLE.issuperset(parts):
        return _FAMILY
    return _JOINER.join(parts)


@functools.cache
def _bases() -> dict[str, str]:
    """Base concept of each variant in the tables."""
    groups = [[bare(code_points(text)) for text in group.split()] for group in _VARIANTS]
    groups += [[_flag(country) for country in group.split()] for group in _FLAGS]
    return {key: group[0] for group in groups for key in group}


def _flag(country: str) -> str:
    return "-".join(f"{0x1F1E6 + ord(letter) - ord('A'):04X}" for letter in country)
