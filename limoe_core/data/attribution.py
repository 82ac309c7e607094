"""Authors and licences of a data set, shown wherever its pictures are shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attribution:
    """One source of drawings or names."""

    style: str
    """As in `PairSet.style`, or `names`."""
    title: str
    author: str
    licence: str
    licence_url: str
    url: str
    change: str = "drawn at 72×72 pixels"
    """Changes made to the work, which CC BY licences ask to be named."""

    def sentence(self) -> str:
        """The attribution as one line of plain text."""
        return (
            f"{self.title} by {self.author} ({self.url}), {self.licence} ({self.licence_url}); "
            f"{self.change}."
        )
