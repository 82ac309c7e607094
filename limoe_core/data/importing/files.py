"""Files of a source, which may be anyone's: nothing outside its folder is read, and in bounds."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from limoe_core.config import ConfigError
from limoe_core.data.importing.records import Problem, printable
from limoe_core.data.pairs import new_digest

#: Endings of pictures that can be read.
PICTURES = frozenset(
    f".{ending}"
    for ending in "jpg jpeg jpe jfif png apng gif webp bmp tif tiff avif ppm pgm pbm".split()
)
#: Endings of those that cannot. They are looked for too, so that they are told and not passed over.
_UNREADABLE = frozenset(
    f".{ending}"
    for ending in "heic heif jp2 jxl svg psd tga dng cr2 cr3 nef arw orf raf rw2".split()
)
#: Larger files are not read, in bytes.
MAX_PICTURE = 64 << 20
MAX_TEXT = 1 << 20

#: Folders that systems make by themselves: of macOS, Python, Synology, Windows and Linux.
_IGNORED = frozenset(
    ("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
)
#: What files of other encodings begin with: a mark, or the zeros of the first two letters.
_BEGINNINGS = (
    (re.compile(rb"\xff\xfe|\xfe\xff"), "UTF-16"),
    (re.compile(rb"[^\0]\0[^\0]\0", re.DOTALL), "UTF-16LE"),
    (re.compile(rb"\0[^\0]\0[^\0]", re.DOTALL), "UTF-16BE"),
)


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a picture, of a kind that can be read or not."""
    return path.suffix.lower() in PICTURES | _UNREADABLE


def walk(root: Path, folder: Path) -> Iterator[Path]:
    """All files below a folder, its own before those of its folders; hidden ones are left out.

    Links that lead nowhere are among them, so that they are told.

    Raises:
      ConfigError: a link leads out of `root`, or a folder cannot be read.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(
            f"the folder {printable(str(folder))} cannot be read: {error.strerror}"
        ) from error
    below = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _IGNORED:
            continue
        path = Path(entry.path)
        if entry.is_symlink():
            _check_link(root, path)
        if entry.is_dir(follow_symlinks=False):
            below.append(path)
        elif entry.is_file() or not path.exists():
            yield path
    for path in below:
        yield from walk(root, path)


def folders(root: Path, path: Path) -> list[Path]:
    """Folders in a folder, sorted by name; hidden ones are left out.

    Raises:
      ConfigError: a link leads out of `root`.
    """
    found = []
    for each in sorted(path.iterdir()):
        if each.name.startswith(".") or each.name in _IGNORED:
            continue
        if each.is_symlink():
            _check_link(root, each)
        elif each.is_dir():
            found.append(each)
    return found


def inside(root: Path, folder: Path, name: str, where: str) -> Path:
    """The file that a table names, from a folder on or with its whole path.

    Accents may be composed in the one and not in the other, as on macOS, and folders be parted as
    Windows does it.

    Raises:
      ConfigError: it lies outside `root`, by its name or by a link.
    """
    path = root.parent
    if "\0" not in name:
        plain = os.path.normpath(os.path.join(folder, name.strip()))
        path = Path(next(filter(os.path.exists, _spellings(folder, name)), plain))
    within = path.is_relative_to(root) and _leads_in(root, path)
    if not within:
        raise ConfigError(
            f"{where} names the file {name.strip()[:200]!r}, which is not in {root}; put all "
            "pictures into that folder, and name them from there"
        )
    return path


def _spellings(folder: Path, name: str) -> Iterator[str]:
    """Paths that a name may stand for; one that is as it should be costs no more than itself."""
    plain = name.strip()
    # A whole path may go through a link to the root, as /tmp is one on macOS.
    whole = os.path.isabs(plain)
    yield os.path.realpath(plain) if whole else os.path.normpath(os.path.join(folder, name))
    for each in (plain, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD"))):
        yield os.path.normpath(os.path.join(folder, each))
        yield os.path.normpath(os.path.join(folder, each.replace("\\", "/")))


def read(path: Path, limit: int = MAX_PICTURE) -> bytes:
    """The content of a regular file of bounded size.

    Raises:
      OSError: it cannot be read, with the reason in words as its `strerror`.
    """
    # A pipe would be waited for without end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        if found.st_size > limit:
            raise OSError(0, f"it is larger than {limit >> 20} MiB")
        return opened.read(limit)


def read_picture(path: Path, where: str) -> bytes | Problem:
    """The content of a picture's file, or why there is none."""
    try:
        return read(path)
    except FileNotFoundError:
        return Problem("picture", where, "there is no such file")
    except OSError as error:
        return Problem("picture", where, str(error.strerror))


def lines(content: bytes, where: str) -> Iterator[tuple[int, str | Problem]]:
    """Lines of a text that are not empty, by number from 1; those that are not UTF-8 as problems.

    Raises:
      ConfigError: all of it is in another encoding.
    """
    check_encoding(content, where)
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            yield number, line.decode().strip()
        except UnicodeDecodeError as error:
            yield number, not_utf8(place, error)


def check_encoding(beginning: bytes, where: str) -> None:
    """Refuses a file that says itself that it is in another encoding than UTF-8."""
    encoding = next((name for found, name in _BEGINNINGS if found.match(beginning)), "")
    if encoding:
        raise ConfigError(
            f"{where} is {encoding} and not UTF-8; convert it with "
            f"`iconv -f {encoding} -t UTF-8 {Path(where).name} > utf8-{Path(where).name}`"
        )


def not_utf8(where: str, error: UnicodeDecodeError) -> Problem:
    """A text in another encoding."""
    return Problem("text", where, f"it is not UTF-8 ({error.reason} at byte {error.start})")


def listing_digest(root: Path, path: Path, *more: str) -> str:
    """Stands for the names, sizes and times of change of all files of a source.

    Args:
      more: settings that matter as well.
    """
    found = new_digest()
    for setting in more:
        found.update(setting.encode() + b"\0")
    for file in [path] if path.is_file() else walk(root, path):
        try:
            about = file.stat()
        except FileNotFoundError:  # a link that leads nowhere, or a file that was just removed
            continue
        found.update(os.fsencode(file.relative_to(root)) + b"\0")
        found.update(f"{about.st_size} {about.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _check_link(root: Path, path: Path) -> None:
    if not _leads_in(root, path):
        raise ConfigError(
            f"{printable(str(path))} is a link that leads out of {root}; put what it points to "
            "into the folder itself (`cp -rL` copies a folder so), or remove it"
        )


def _leads_in(root: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links in a circle
        return False
