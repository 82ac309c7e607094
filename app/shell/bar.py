"""What the browser's address bar shows, as far as the server can know it.

The browser tells the address with every question, and the server sends another one with some of its
answers. A reader who is faster than the answers asks with an address that the browser has still to
exchange for those that are on their way. It must not be taken for a change of the address, and it
does not say what the bar will show in the end.
"""

from __future__ import annotations

from collections.abc import Mapping

Address = Mapping[str, str]


class Bar:
    """Address bar of one reader's tab; an address is its parameters by name."""

    def __init__(self) -> None:
        #: What the bar may show now, oldest first: what the browser told last, then what it was
        #: sent and has not told since.
        self._possible: list[Address] = [{}]

    def hear(self, told: Address, *, moved: bool) -> set[str]:
        """Notes the address that the browser told.

        Args:
          moved: the reader went elsewhere, with Back, Forward or to another page. Otherwise the
            address is one of those that the bar may show, but for what a figure wrote into it.

        Returns:
          The names of parameters that the browser changed: set, exchanged or took away.
        """
        newest = len(self._possible) - 1
        basis = newest if moved else self._nearest(told)
        before = self._possible[basis]
        # Whether what was sent came before the reader moved is not known.
        coming = self._possible[1 if moved else basis + 1 :]
        self._possible = [dict(told), *coming]
        return _differing(told, before)

    def send(self, wanted: Address) -> bool:
        """Whether an address has to be sent, so that the bar shows it in the end.

        One that may be on its way already is sent again: the browser takes no notice of what it
        shows, and what was sent may have been lost.
        """
        if self._possible == [wanted]:
            return False
        if self._possible[-1] != wanted:
            self._possible.append(dict(wanted))
        return True

    def _nearest(self, told: Address) -> int:
        """The oldest of the addresses that differ least: those after it may still be coming."""
        places = range(len(self._possible))
        return min(places, key=lambda place: len(_differing(told, self._possible[place])))


def _differing(one: Address, other: Address) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
