"""README and docs: their Python runs as it is, and what they name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from limoe_core.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "checkpoints").glob("**/README.md"))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


#: Its Python needs the extra [transformers]; tests/limoe_core/recording runs it.
_OF_THE_EXTRA = ROOT / "docs" / "lens.md"


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p, "python") and p != _OF_THE_EXTRA],
    ids=lambda p: p.name,
)
def test_python_runs_as_it_is(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if page.name == "README.md":
        assert done.stdout.startswith("face with open mouth\n")


def test_the_first_two_commands_open_the_dashboard_and_run_the_tests() -> None:
    commands = [
        re.sub(r" +#.*", "", line)
        for block in blocks(ROOT / "README.md", "sh")
        for line in block.splitlines()
        if line.startswith("make ")
    ]
    assert list(dict.fromkeys(commands))[:2] == ["make app", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_and_presets_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z][\w-]*)", text, re.MULTILINE)
    assert set(named) <= targets
    assert set(re.findall(r"--preset ([\w/-]+)", text)) <= set(PRESETS)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_and_files_exist(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link.split("#")[0]).exists()] == []
    folders = "analysis|app|benchmarks|checkpoints|docs|limoe_core|limoe_lens|tests"
    files = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    examples = {"checkpoints/my-run"}
    assert [name for name in files if name not in examples and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_modules_that_are_run_exist(page: Path) -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", page.read_text())) - {"venv", "pytest"}
    files = [ROOT / (module.replace(".", "/") + ".py") for module in modules]
    packages = [ROOT / module.replace(".", "/") / "__main__.py" for module in modules]
    pairs = zip(files, packages, strict=True)
    assert [file for file, package in pairs if not (file.exists() or package.exists())] == []


@pytest.mark.parametrize("package", ["limoe_core", "app"])
def test_the_readme_names_every_room(package: str) -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if re.match(rf"{package}/ ", line))
    named = set()
    for line in lines[start + 1 :]:
        if not line.startswith("  "):
            break
        named |= set(re.findall(r"^  (\w+)/ ", line))
    assert named == {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
