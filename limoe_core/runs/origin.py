"""The trained run that another one was started from, as the other remembers it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Longest text, and most sentences, that are read; a run may come from anywhere.
_LONGEST, _MOST_SENTENCES = 500, 20


@dataclass(frozen=True)
class Origin:
    """Where a run's first parameters came from."""

    run: str
    """Name of the run."""
    step: int
    """The step whose parameters they were."""
    path: str | None = None
    """Where that run lay; None in a run that ships."""
    data: str | None = None
    """Data set that it was trained on."""
    digest: str | None = None
    """Digest of the training split of that data; see `limoe_core.data.identity`."""
    changes: tuple[str, ...] = ()
    """What was copied, resampled and new, in sentences."""

    @classmethod
    def read(cls, said: Any) -> Origin | None:
        """From what a run's config.json says; None where it says nothing that can be used."""
        about = said if isinstance(said, Mapping) else {}
        run, step = _text(about.get("run")), about.get("step")
        if run is None or type(step) is not int or step < 0:
            return None
        path, data, digest = (_text(about.get(name)) for name in ("path", "data", "digest"))
        changes = about.get("changes")
        listed = map(_text, changes[:_MOST_SENTENCES] if isinstance(changes, list) else [])
        return cls(run, step, path, data, digest, tuple(text for text in listed if text))

    def to_dict(self) -> dict[str, Any]:
        """The inverse of `read`."""
        return {**vars(self), "changes": list(self.changes)}

    def is_named(self, text: str | os.PathLike[str]) -> bool:
        """Whether `folder` or `folder@step` names it."""
        path, step = parted(text)
        same = os.path.realpath(path) == os.path.realpath(self.path or os.devnull)
        return same and step in (None, self.step)

    def __str__(self) -> str:
        return f"{self.run} at step {self.step:,}"


def parted(text: str | os.PathLike[str]) -> tuple[str, int | None]:
    """The folder and the step that `folder@step` names; None where it names no step."""
    text = os.fspath(text)
    found = re.fullmatch(r"(.+)@([0-9]{1,12})", text)
    if found is None or os.path.lexists(text):
        return text, None
    return found[1], int(found[2])


def _text(value: Any) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None
