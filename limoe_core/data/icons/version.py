"""Version of the icon set and the package it is made from, without TFDS, which imports slowly."""

from pathlib import Path

from limoe_core.data import npm

VERSION = "1.0.0"

#: npm package with all sets, 104 MB; its version is pinned, so that splits and counts are fixed.
PACKAGE = ("@iconify/json", "2.2.535")


def tarball(data_dir: Path) -> Path:
    """Where the package lies in a TFDS data directory."""
    return data_dir / "downloads" / "limoe_lens" / npm.tarball_name(*PACKAGE)
