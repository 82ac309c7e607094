"""What `pip install .` puts where, and that its commands start from any folder."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

setuptools = pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMANDS: dict[str, str] = PROJECT["project"]["scripts"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel would put into site-packages."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        given: dict[str, Any] = {}
        patch.setattr("setuptools.setup", lambda **settings: given.update(settings))
        runpy.run_path("setup.py")
        data = PROJECT["tool"]["setuptools"]["package-data"]
        # "*" is a project's word for every package; setuptools itself knows it as "".
        data = {("" if package == "*" else package): globs for package, globs in data.items()}
        command = setuptools.Distribution(
            {**given, "package_data": data, "script_name": "setup.py"}
        ).get_command_obj("build_py")
        command.build_lib = str(folder)
        command.ensure_finalized()
        command.run()
    return folder


def ran(site: Path, folder: Path, *arguments: str) -> str:
    """What Python prints in a folder that is not the project's, with the wheel installed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_nothing_called_analysis_or_app_lies_at_the_top(site: Path) -> None:
    assert {path.name for path in site.iterdir()} == {"limoe_core", "limoe_lens"}


def test_every_committed_file_of_the_packages_is_installed(site: Path) -> None:
    folders = ("limoe_core", "limoe_lens", "analysis", "app", "checkpoints")
    listed = subprocess.run(
        ["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    committed = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {name.removeprefix("limoe_lens/lib/") for name in files} >= committed


def test_runs_that_do_not_ship_stay_at_home(site: Path) -> None:
    runs = {path.name for path in (site / "limoe_lens/lib/checkpoints").iterdir() if path.is_dir()}
    kept = re.findall(r"^!/checkpoints/([\w-]+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    assert runs == set(kept)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_starts_from_any_folder(command: str, site: Path, tmp_path: Path) -> None:
    module, function = COMMANDS[command].split(":")
    start = f"import sys; sys.argv = ['{command}', '--help']; from {module} import {function}"
    said = ran(site, tmp_path, "-c", f"{start}; {function}()")
    assert re.search(rf"usage: {command}\b", said)
    assert "examples:" in said
    assert "Traceback" not in said


def test_analysis_is_found_although_the_users_folder_has_one(site: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("roles = 'theirs'\n")
    said = ran(
        site,
        tmp_path,
        "-c",
        "from limoe_lens import HOME, analysis\n"
        "from limoe_core.runs import Run\n"
        "print(len(analysis.roles(Run.open(HOME / 'checkpoints' / 'limoe-emoji').probe(4500))))",
    )
    assert said.split() == ["24"]  # 3 layers of 8 experts


def test_importing_limoe_lens_leaves_the_users_own_analysis_first(
    site: Path, tmp_path: Path
) -> None:
    (tmp_path / "analysis.py").write_text("roles = 'theirs'\n")
    said = ran(site, tmp_path, "-c", "import limoe_lens, analysis; print(analysis.roles)")
    assert said.split() == ["theirs"]


def test_two_packages_called_analysis_are_not_confused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("")
    code = (
        "import analysis\n"
        "try:\n    from limoe_lens import analysis\nexcept ImportError as e:\n    print(e)"
    )
    assert f"{tmp_path}/analysis.py" in ran(site, tmp_path, "-c", code)


def test_python_that_a_page_hands_out_runs_as_installed(site: Path, tmp_path: Path) -> None:
    code = (
        "from limoe_lens import HOME, analysis\n"
        "from analysis.recipes import python, record\n"
        "from limoe_core.runs import Run\n"
        "run = record(Run.open, HOME / 'checkpoints' / 'limoe-emoji')\n"
        "print(python(frame=record(analysis.roles, record(Run.probe, run, 4500))))"
    )
    lines = ran(site, tmp_path, "-c", code)
    assert ran(site, tmp_path, "-c", f"{lines}\nprint(len(frame))").split() == ["24"]


def test_a_page_names_the_command_it_was_started_with(site: Path, tmp_path: Path) -> None:
    code = (
        "import limoe_lens\nfrom limoe_lens import analysis\n"
        "from app.shell import options\nprint(options.START)"
    )
    assert ran(site, tmp_path, "-c", code).split() == ["limoe-lens"]
    assert ran(ROOT, tmp_path, "-c", code).strip() == "streamlit run app --"


def test_the_dashboard_runs_as_installed(site: Path, tmp_path: Path) -> None:
    script = site / "limoe_lens" / "lib" / "app" / "streamlit_app.py"
    code = (
        "from streamlit.testing.v1 import AppTest\n"
        "import sys; sys.argv = ['streamlit_app.py']\n"
        f"page = AppTest.from_file({str(script)!r}, default_timeout=120).run()\n"
        "print(page.exception, page.selectbox[0].options)"
    )
    assert "limoe-emoji" in ran(site, tmp_path, "-c", code)


def test_a_folder_of_runs_without_its_option_is_explained(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "limoe_lens", "my-runs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "named with --runs" in done.stderr


@pytest.mark.long
def test_the_wheel_holds_the_same_files(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    try:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    finally:
        for leftover in (ROOT / "build", ROOT / "limoe_lens.egg-info"):
            subprocess.run(["rm", "-rf", str(leftover)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {
        path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()
    }
