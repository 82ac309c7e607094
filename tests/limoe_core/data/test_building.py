"""A set is built whole or not at all, and why not is said in a sentence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from limoe_core.config import ConfigError
from limoe_core.data.building import build_once, is_whole
from tests.conftest import ROOT


class Given(BaseException):
    """As when a reader gives up the build."""


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    name = "tiny_built"
    pkg_dir_path = Path(__file__).parent
    pixels = 8
    interrupted: Callable[[], None] = staticmethod(lambda: None)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"x": tfds.features.Tensor(shape=(self.pixels,), dtype=np.uint8)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        rng = np.random.default_rng(0)
        for i in range(4):
            yield i, {"x": rng.integers(0, 256, self.pixels).astype(np.uint8)}
        self.interrupted()


def tiny(folder: Path) -> Tiny:
    return Tiny(data_dir=folder, file_format="array_record")


def left(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [name for name in found if not name.endswith((".lock", "metadata.json"))]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(tmp_path: Path, code: int) -> None:
    builder = tiny(tmp_path)

    def full() -> None:
        raise OSError(code, os.strerror(code))

    builder.interrupted = full  # type: ignore[method-assign]
    with pytest.raises(ConfigError) as told:
        build_once(builder)
    assert os.strerror(code) in str(told.value)
    assert "make room, or name another folder with --data.dir" in str(told.value)
    assert left(tmp_path) == []
    build_once(tiny(tmp_path))
    assert is_whole(tmp_path / "tiny_built" / "1.0.0")


def test_other_errors_are_not_dressed_up(tmp_path: Path) -> None:
    builder = tiny(tmp_path)

    def wrong() -> None:
        raise AssertionError("a mistake of ours")

    builder.interrupted = wrong  # type: ignore[method-assign]
    with pytest.raises(Exception, match="a mistake of ours"):
        build_once(builder)
    assert left(tmp_path) == []


def test_a_build_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    builder = tiny(tmp_path)

    def given_up() -> None:
        raise Given

    builder.interrupted = given_up  # type: ignore[method-assign]
    with pytest.raises(Given):
        build_once(builder)
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be built in .*(Not a directory|File exists)"):
        build_once(tiny(tmp_path / "file"))


#: Builds the set where no file may grow beyond some bytes, as on a disk that is full.
_BUILD = """
import resource, sys
from pathlib import Path
from limoe_core.config import ConfigError
from limoe_core.data.building import build_once
from tests.limoe_core.data.test_building import Tiny
Tiny.pixels = 1 << 16
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    build_once(Tiny(data_dir=Path(sys.argv[1]), file_format="array_record"))
except ConfigError as error:
    print(error)
"""


@pytest.mark.processes
def test_a_full_disk_under_the_writer_of_records_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "the data set cannot be built in" in done.stdout, done.stderr[-3000:]
    assert os.strerror(errno.EFBIG) in done.stdout
    assert left(tmp_path) == []
