"""What `pip install .` puts where, and that its commands start from any folder."""

from __future__ import annotations

import functools
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.shipped import LIMOE, RUNS

setuptools = pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parent.parent
LAST = LIMOE.probe_steps()[-1]
ROLES = len(LIMOE.config.model.moe_layers) * LIMOE.config.model.experts
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


def test_the_runs_that_ship_are_named_wherever_they_have_to_be() -> None:
    packed = PROJECT["tool"]["setuptools"]["package-data"]["limoe_lens.lib.checkpoints"]
    assert sorted(packed) == sorted(["README.md", *(f"{run.name}/**/*" for run in RUNS)])
    tracked = (ROOT / ".gitignore").read_text().splitlines()
    named = [line for line in tracked if line.startswith("!/checkpoints/")]
    assert sorted(named) == sorted(
        ["!/checkpoints/README.md", *(f"!/checkpoints/{run.name}/" for run in RUNS)]
    )
    listed = re.findall(r"^\| \[`([\w-]+)`\]", (ROOT / "checkpoints/README.md").read_text(), re.M)
    assert sorted(listed) == sorted(run.name for run in RUNS)


def test_analysis_is_found_although_the_users_folder_has_one(site: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("roles = 'theirs'\n")
    said = ran(
        site,
        tmp_path,
        "-c",
        "from limoe_lens import HOME, analysis\n"
        "from limoe_core.runs import Run\n"
        f"run = Run.open(HOME / 'checkpoints' / {LIMOE.name!r})\n"
        f"print(len(analysis.roles(run.probe({LAST}))))",
    )
    assert said.split() == [str(ROLES)]


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
        f"run = record(Run.open, HOME / 'checkpoints' / {LIMOE.name!r})\n"
        f"print(python(frame=record(analysis.roles, record(Run.probe, run, {LAST}))))"
    )
    lines = ran(site, tmp_path, "-c", code)
    assert ran(site, tmp_path, "-c", f"{lines}\nprint(len(frame))").split() == [str(ROLES)]


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
    assert LIMOE.name in ran(site, tmp_path, "-c", code)


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


# ---- requirements and make


def made(folder: Path, *arguments: str, path: str = os.environ["PATH"]) -> str:
    """What `make` would run in a folder with these requirements."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


@needs_make
def test_an_accelerator_is_installed_with_the_pinned_packages_and_stays(tmp_path: Path) -> None:
    make = functools.partial(made, tmp_path, "PYTHON=python3")
    assert "jax[" not in make("app")
    assert "-r requirements.txt 'jax[cuda13]'" in make("app", "ACCELERATOR=cuda13")
    assert "-r requirements-dev.txt 'jax[tpu]'" in make("test", "ACCELERATOR=tpu")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "app-cuda13.stamp").touch()
    assert "-r requirements-dev.txt 'jax[cuda13]'" in make("test")
    assert "delete .venv to have another" in make("app", "ACCELERATOR=cuda12")


@needs_make
def test_an_unknown_accelerator_is_refused(tmp_path: Path) -> None:
    said = made(tmp_path, "app", "PYTHON=python3", "ACCELERATOR=rocm")
    assert "ACCELERATOR is cuda13, cuda12 or tpu, not rocm" in said


@needs_make
def test_make_takes_the_newest_python_that_can_be_used(tmp_path: Path) -> None:
    """Not one that is too new, nor one that only has the name."""
    found = {"python3.14": "exit 1", "python3.13": "exit 0", "python3.11": "exit 0"}
    for name, script in found.items():
        python = tmp_path / "bin" / name
        python.parent.mkdir(exist_ok=True)
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    assert "python3.13 -m venv" in made(tmp_path, "app", path=path)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_name_packages_and_versions_only(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    pinned = [line for line in lines if not line.lstrip().startswith("#")]
    assert [line for line in pinned if not re.match(r"[a-z0-9-]+==[\w.+]+( ; .+)?$", line)] == []


@pytest.mark.parametrize("package", ["jax", "flax"])
def test_python_3_11_has_a_jax_of_its_own(package: str) -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    markers = re.findall(rf"^{package}==.+ ; (.+)$", requirements, re.MULTILINE)
    assert markers == ["python_full_version < '3.12'", "python_full_version >= '3.12'"]
