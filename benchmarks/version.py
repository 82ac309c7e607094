"""The version of the code that is measured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
#: All code; what measuring itself writes is none.
_CODE = ("limoe_core", "analysis", "benchmarks", ":!benchmarks/results.json", ":!benchmarks/*.md")


class Version(NamedTuple):
    """A commit of this repository."""

    commit: str
    """Its name, with "+" behind it where the code was changed since; "" if it is not known."""
    committed: str
    """When it was made, in UTC, so that versions can be put in order."""

    @property
    def short(self) -> str:
        """The commit as people name it."""
        return self.commit[:7] + ("+" if self.commit.endswith("+") else "")


UNKNOWN = Version("", "")


def version(code: Sequence[str] = _CODE, root: Path = _ROOT) -> Version:
    """The version of the code in a folder; `UNKNOWN` outside of a clone, or without git.

    Args:
      code: files and folders whose changes count, as git takes them.
    """
    try:
        name = _git(root, "show", "-s", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%H %cd")
        changed = _git(root, "status", "--porcelain", "--", *code)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    commit, committed = name.split()
    return Version(commit + ("+" if changed else ""), committed)


def _git(root: Path, *words: str) -> str:
    utc = {**os.environ, "TZ": "UTC"}
    done = subprocess.run(
        ["git", *words], cwd=root, env=utc, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
