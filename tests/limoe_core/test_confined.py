"""What is opened of a folder that anybody may have written into."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from limoe_core import confined
from limoe_core.confined import RefusedError, names, opened, read_bytes, tree

MOST = 1000


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder with a file, beside a secret one."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "inside" / "deep").mkdir(parents=True)
    (tmp_path / "inside" / "file").write_text("open")
    return tmp_path / "inside"


def test_a_regular_file_is_read_over_links_that_stay_inside(inside: Path) -> None:
    (inside / "deep" / "link").symlink_to("../file")
    (inside / "again").symlink_to("deep")
    (inside.parent / "from-outside").symlink_to(inside)
    for path in ("file", "deep/link", "again/link"):
        assert read_bytes(inside / path, within=inside, most=MOST) == b"open"
    assert read_bytes(inside.parent / "from-outside" / "file", within=inside, most=MOST)
    assert read_bytes(inside / "file", within=inside.parent / "from-outside", most=MOST)


def _fifo(place: Path) -> None:
    os.mkfifo(place)


def _socket(place: Path) -> None:
    os.chdir(place.parent)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(place.name)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "fifo": (_fifo, "it is a FIFO"),
    "socket": (_socket, "it is a socket"),
    "folder": (Path.mkdir, "it is a folder"),
    "link to a secret": (lambda place: place.symlink_to("../secret"), "leads out of the folder"),
    "link to a device": (lambda place: place.symlink_to("/dev/zero"), "leads out of the folder"),
    "link to itself": (lambda place: place.symlink_to("it"), "leads to itself"),
    "link over a link": (
        lambda place: ((place.parent / "up").symlink_to(".."), place.symlink_to("up/secret")),
        "leads out of the folder",
    ),
    "large file": (lambda place: place.write_bytes(bytes(MOST + 1)), "at most 0.0 MiB are read"),
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_anything_else_is_refused_at_once_and_in_a_sentence(
    inside: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inside)
    make, words = REFUSED[kind]
    make(inside / "it")
    with pytest.raises(RefusedError, match=words) as caught:
        read_bytes(inside / "it", within=inside, most=MOST)
    assert "secret" not in str(caught.value).replace(str(inside), "")


def test_a_device_is_refused_also_where_links_may_lead_anywhere() -> None:
    with pytest.raises(RefusedError, match="it is a device"):
        read_bytes(Path("/dev/zero"), most=MOST)


def test_a_link_that_takes_a_files_place_after_the_check_is_not_followed(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = confined.real

    def exchanged(path: Path, within: Path) -> Path:
        found = real(path, within)
        (inside / "file").unlink(missing_ok=True)
        (inside / "file").symlink_to("../secret")
        return found

    monkeypatch.setattr(confined, "real", exchanged)
    with pytest.raises((RefusedError, OSError)):
        read_bytes(inside / "file", within=inside, most=MOST)
    (inside / "deep" / "file").write_text("open")

    def folder_exchanged(path: Path, within: Path) -> Path:
        found = real(path, within)
        (inside / "deep").rename(inside / "was deep")
        (inside / "deep").symlink_to("was deep")
        return found

    monkeypatch.setattr(confined, "real", folder_exchanged)
    with pytest.raises((RefusedError, OSError)):
        read_bytes(inside / "deep" / "file", within=inside, most=MOST)


def test_what_is_missing_is_an_error_of_the_operating_system(inside: Path) -> None:
    with pytest.raises(FileNotFoundError), opened(inside / "no", within=inside, most=MOST):
        pass
    with pytest.raises(NotADirectoryError):
        names(inside / "file", within=inside)


def test_folders_are_listed_within_bounds(inside: Path) -> None:
    assert sorted(names(inside, within=inside)) == ["deep", "file"]
    with pytest.raises(RefusedError, match="more than 1 entries"):
        names(inside, within=inside, most=1)
    (inside / "out").symlink_to("..")
    with pytest.raises(RefusedError, match="leads out of the folder"):
        names(inside / "out", within=inside)


def test_a_tree_holds_files_alone(inside: Path) -> None:
    (inside / "deep" / "inner").write_text("12")
    found = tree(inside, within=inside)
    assert [(Path(name).name, state.st_size) for name, state in found] == [
        ("inner", 2),
        ("file", 4),
    ]
    with pytest.raises(RefusedError, match="more than 1 files"):
        tree(inside, within=inside, most=1)
    with pytest.raises(RefusedError, match="more than 1 deep"):
        tree(inside, within=inside, deepest=1)
    (inside / "link").symlink_to("file")
    with pytest.raises(RefusedError, match="is a link"):
        tree(inside, within=inside)
    (inside / "link").unlink()
    os.mkfifo(inside / "fifo")
    with pytest.raises(RefusedError, match="it is a FIFO"):
        tree(inside, within=inside)
