"""A package of icons in the layout of Iconify's, with a few drawings of eight sets.

The drawings in `icons/slice.json` are those of Iconify's package 2.2.535, by the authors and under
the licences that the file names; those of cbi, simple-icons and twemoji are made up.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from limoe_core.data.icons.version import tarball

_SLICE = Path(__file__).with_name("icons") / "slice.json"


def read_slice() -> dict[str, Any]:
    """`collections` and `sets` of the slice."""
    return json.loads(_SLICE.read_text("utf-8"))


def write_slice(data_dir: Path, **sets: dict[str, Any]) -> None:
    """The package, where the builder looks for it.

    Args:
      sets: content of sets that replace the slice's, by prefix.
    """
    content = read_slice()
    files: dict[str, Any] = {
        f"package/json/{prefix}.json": each for prefix, each in (content["sets"] | sets).items()
    }
    files["package/collections.json"] = content["collections"]
    path = tarball(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, each in files.items():
            data = json.dumps(each).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
