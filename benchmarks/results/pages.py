"""Pages with blocks that are made of the runs: prose is written by hand, numbers are not.

A block stands between `<!-- results: NAME -->` and `<!-- end -->`; what is between is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import about, accuracies, experts
from benchmarks.results.gathered import Results
from limoe_core.files import replacing

BLOCKS: dict[str, Callable[[Results], str]] = {
    "runs": about.runs,
    "model": about.limoe,
    "twin": about.twin,
    "tests": accuracies.short_table,
    "accuracies": accuracies.long_table,
    "comparison": accuracies.comparison,
    "strata": accuracies.strata,
    "objections": accuracies.objections,
    "test-objections": accuracies.objections_to_tests,
    "experts": experts.experts,
}
_START = "<!-- results: "
_BLOCK = re.compile(rf"({_START}([\w-]+) -->\n)(.*?)(<!-- end -->|\Z)", re.DOTALL)


class UnknownBlock(ValueError):
    """A page asks for a block that does not exist, or that has no end of its own."""


def filled(text: str, results: Results) -> str:
    """A page with its blocks as they are now.

    Raises:
      UnknownBlock: it names one that does not exist, or that has no end of its own.
    """
    made: dict[str, str] = {}

    def block(found: re.Match[str]) -> str:
        name = found[2]
        if name not in BLOCKS:
            raise UnknownBlock(f"no block {name!r}; there are {', '.join(BLOCKS)}")
        if _START in found[3] or not found[4]:  # what follows may be written by hand
            raise UnknownBlock(f"the block {name!r} has no <!-- end --> of its own")
        made[name] = made.get(name) or BLOCKS[name](results)
        return f"{found[1]}\n{made[name]}\n\n{found[4]}"

    return _BLOCK.sub(block, text)


def names(text: str) -> list[str]:
    """Names of the blocks of a page, in their order."""
    return [found[2] for found in _BLOCK.finditer(text)]


def pages(root: Path) -> list[Path]:
    """Pages of the project that have blocks."""
    every = [
        root / "README.md",
        *sorted((root / "docs").glob("*.md")),
        *sorted((root / "checkpoints").glob("*/README.md")),
    ]
    return [page for page in every if names(page.read_text(encoding="utf-8"))]


def fill(page: Path, results: Results) -> bool:
    """Writes a page's blocks anew; returns whether anything changed."""
    before = page.read_text(encoding="utf-8")
    after = filled(before, results)
    if after == before:
        return False
    with replacing(page) as temporary:
        temporary.write_text(after, encoding="utf-8")
    return True
