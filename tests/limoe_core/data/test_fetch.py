"""Fetching the art of `full`, with a stand-in for npm."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from limoe_core.data import fetch
from limoe_core.data.emoji.art import PACKAGES, art_folder, has_full_art, tarball_name
from limoe_core.data.emoji.fetch import fetch_art
from limoe_core.data.icons.fetch import fetch_package
from limoe_core.data.icons.version import tarball
from limoe_core.data.npm import FetchError

from .icon_packages import write_full_art
from .icon_slice import write_slice

ROOT = Path(__file__).resolve().parents[3]


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `npm` on the path that notes its arguments in `calls` and then runs `script`."""
    folder.mkdir()
    calls = folder / "calls"
    npm = folder / "npm"
    npm.write_text(f'#!/bin/bash\necho "$@" >> "{calls}"\n{script}\n')
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return calls


@pytest.fixture
def packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that has all packages; returns where it notes its calls."""
    registry = tmp_path / "registry"
    write_full_art(registry)
    # As npm pack names its files: @a/b@1.2.3 becomes a-b-1.2.3.tgz
    script = (
        'name="${2#@}"; name="${name/\\//-}"; name="${name/@/-}"; '
        f'cp "{registry}/$name.tgz" "$5/" && echo "$name.tgz"'
    )
    return stand_in(tmp_path / "bin", script, monkeypatch)


def test_all_packages_come_in_their_pinned_versions(tmp_path: Path, packing: Path) -> None:
    fetched = fetch_art(tmp_path / "data", progress=False)
    folder = art_folder(tmp_path / "data")
    assert has_full_art(folder)
    assert sorted(file.name for file in fetched) == sorted(map(tarball_name, PACKAGES))
    assert sorted(file.name for file in folder.iterdir()) == sorted(map(tarball_name, PACKAGES))
    asked = [line.split()[:2] for line in packing.read_text().splitlines()]
    assert asked == [["pack", f"{name}@{version}"] for name, version in PACKAGES.values()]


def test_what_is_there_is_not_fetched_again(tmp_path: Path, packing: Path) -> None:
    fetch_art(tmp_path / "data", progress=False)
    packing.unlink()
    assert fetch_art(tmp_path / "data", progress=False) == []
    assert not packing.exists()
    (art_folder(tmp_path / "data") / tarball_name("fxemoji")).unlink()
    fetch_art(tmp_path / "data", progress=False)
    assert len(packing.read_text().splitlines()) == 1


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="npm is not installed.*Node.js.*base"):
        fetch_art(tmp_path / "data", progress=False)


def test_an_error_of_npm_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path / "bin", 'echo "npm error network is down" >&2; exit 1', monkeypatch)
    with pytest.raises(FetchError, match=r"could not fetch @iconify-json/noto@.*network is down"):
        fetch_art(tmp_path / "data", progress=False)
    assert not has_full_art(art_folder(tmp_path / "data"))


def test_another_kind_of_file_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'echo "surprise" > "$5/{tarball_name("noto")}"'
    stand_in(tmp_path / "bin", script, monkeypatch)
    with pytest.raises(FetchError, match="not an Iconify package"):
        fetch_art(tmp_path / "data", progress=False)
    assert list(art_folder(tmp_path / "data").iterdir()) == []


def test_the_package_of_icons_comes_once_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_slice(tmp_path / "registry")
    package = tarball(tmp_path / "registry")
    calls = stand_in(tmp_path / "bin", f'cp "{package}" "$5/"', monkeypatch)
    assert fetch_package(tmp_path / "data") == [tarball(tmp_path / "data")]
    assert tarball(tmp_path / "data").read_bytes() == package.read_bytes()
    assert calls.read_text().split()[:2] == ["pack", "@iconify/json@2.2.535"]
    assert fetch_package(tmp_path / "data") == []
    assert len(calls.read_text().splitlines()) == 1
    assert [file.name for file in tarball(tmp_path / "data").parent.iterdir()] == [package.name]


def test_half_a_package_of_icons_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_slice(tmp_path / "registry")
    package = tarball(tmp_path / "registry")
    stand_in(tmp_path / "bin", f'head -c 5000 "{package}" > "$5/{package.name}"', monkeypatch)
    with pytest.raises(FetchError, match="not an Iconify package"):
        fetch_package(tmp_path / "data")
    assert list(tarball(tmp_path / "data").parent.iterdir()) == []


def test_what_cannot_be_fetched_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fetch", "cifar100"])
    assert fetch.main() == 2
    assert (
        "nothing can be fetched for 'cifar100'; there are emoji, icons" in capsys.readouterr().err
    )


def test_the_command_line_ends_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "limoe_core.data.fetch", "--dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "npm is not installed" in done.stderr
    assert "Traceback" not in done.stderr
