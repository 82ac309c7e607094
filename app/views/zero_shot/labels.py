"""Labels and a prompt template as the reader typed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from unicodedata import normalize

from analysis.classification import SLOT
from app.parts.messages import counted

#: More labels than this are left out: every one is a text to embed.
MOST = 2000
#: Longer lines are cut before they are tokenized; the model reads a handful of pieces anyway.
LONGEST = 2000


@dataclass(frozen=True)
class Labels:
    """Labels to classify by, and notes about them."""

    names: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Labels:
        """One label a line; empty lines and repeated labels are left out, and it is said."""
        lines = [" ".join(line.split()) for line in text.splitlines()]
        full = [line for line in lines if line]
        names = list(dict.fromkeys(full))
        notes = []
        if len(names) < len(full):
            left_out = counted(len(full) - len(names), "label")
            notes.append(f"{left_out} repeated one above and counted once.")
        if len(names) > MOST:
            notes.append(f"There are {len(names):,} labels; the first {MOST:,} are used.")
            names = names[:MOST]
        long = [name for name in names if len(name) > LONGEST]
        if long:
            notes.append(
                f"{counted(len(long), 'label')} of over {LONGEST:,} characters: only the first "
                f"{LONGEST:,} are read."
            )
            names = list(dict.fromkeys(name[:LONGEST] for name in names))
        return cls(tuple(names), tuple(notes))


def same_note(same: Mapping[str, str]) -> str | None:
    """A sentence about labels that read the same to the model as others.

    Args:
      same: an earlier label by the label that reads the same.
    """
    if not same:
        return None
    # Rather two that a reader sees to differ: "“café” as “café”" would tell nothing.
    visible = (p for p in same.items() if normalize("NFC", p[0]) != normalize("NFC", p[1]))
    later, first = next(visible, next(iter(same.items())))
    if len(same) == 1:
        return f"“{_short(later)}” reads the same to the model as “{_short(first)}”: counted once."
    return (
        f"{counted(len(same), 'label')} read the same to the model as others and are counted once: "
        f"“{_short(later)}” as “{_short(first)}”, for example."
    )


def read_template(text: str) -> tuple[str, str | None]:
    """The template; if it is invalid, the plain label and a sentence about the fault."""
    template = " ".join(text.split())[:LONGEST]
    if not template:
        return SLOT, None
    if template.count(SLOT) == 1:
        return template, None
    if SLOT in template:
        return SLOT, "The template holds {} more than once; the plain labels are used."
    return SLOT, "The template has no {} where the label goes; the plain labels are used."


def cut_note(cut: dict[str, str], length: int) -> str | None:
    """A sentence about labels that are too long for the model.

    Args:
      cut: the text that did not fit, by label.
      length: most pieces that the model reads.
    """
    if not cut:
        return None
    label, rest = next(iter(cut.items()))
    one = len(cut) == 1
    return (
        f"{counted(len(cut), 'text')} {'is' if one else 'are'} longer than the {length} pieces "
        f"that the model reads, so the end was cut: of “{_short(label)}” it did not see "
        f"“{_short(rest)}”."
    )


def _short(text: str, longest: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
