"""What all tests share: the platform, the compile cache, a tiny trained run, a browser."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import compile_cache, shapes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# All of this comes before anything imports JAX. Most of what tests compile runs for less time than
# it compiles: plainly compiled, the tests of the core take half as long.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_PLAINLY = "--xla_backend_optimization_level=0 --xla_cpu_prefer_vector_width=128"
if version("jaxlib").startswith("0.10."):  # later ones have no such flag, and end at unknown ones
    _PLAINLY += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", _PLAINLY)
compile_cache.use()
if "PYTEST_XDIST_WORKER" not in os.environ:  # whose environment is that of the first process
    _cache = tempfile.mkdtemp(prefix="limoe-tests-")
    os.environ["XDG_CACHE_HOME"] = _cache  # what tests name and keep is nothing of the user's
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)
shapes.check_from_now_on()

ROOT = Path(__file__).resolve().parent.parent

_SLOW_START = [HealthCheck.too_slow, HealthCheck.data_too_large]  # the first call compiles
settings.register_profile(
    "default", deadline=None, max_examples=40, derandomize=True, suppress_health_check=_SLOW_START
)
settings.register_profile(
    "thorough", deadline=None, max_examples=1000, suppress_health_check=_SLOW_START
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


#: Kinds of tests that `make test` leaves out; pyproject.toml says what each is.
SLOW = ("benchmark", "browser", "mesh", "notebook", "processes", "transformers", "training")


#: Files that take longest begin first, or one process would wait at the end for the other.
LONGEST = (
    "test_evaluate.py",  # trains the debug run, which others wait for
    "test_mesh.py",
    "test_step.py",
    "test_train.py",
    "test_exports.py",
    "test_moe.py",
    "test_known_sets.py",
    "test_optimizer.py",
    "test_source.py",
    "test_own_pairs.py",
    "test_termination.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(kind) for kind in SLOW):
            item.add_marker(pytest.mark.slow)
    place = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run that all its worker processes have in common."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "common"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """For tests of how a function itself refuses arrays that its signature does not allow."""
    with shapes.unchecked():
        yield


@pytest.fixture(scope="session")
def data_dir(common: Path) -> Path:
    """TFDS data directory of this test run; the environment's, if it names one, saves the build."""
    named = os.environ.get("TFDS_DATA_DIR")
    return Path(named) if named else common / "tfds"


@pytest.fixture(scope="session")
def debug_run(common: Path, data_dir: Path) -> Path:
    """A run of the `debug` preset, trained once by the command a user would type."""
    run = common / "runs" / "debug"
    command = [sys.executable, "-m", "limoe_core.train", "--preset", "debug", "--run", str(run)]
    with (common / "debug.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be training it
        if not (common / "debug.done").exists():
            done = subprocess.run(
                [*command, "--data.dir", str(data_dir)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=1200,  # seconds; a minute or two when nothing else runs
                check=False,
            )
            assert done.returncode == 0, f"training the debug run failed:\n{done.stdout[-4000:]}"
            (common / "debug.done").touch()
    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium under Playwright; tests that need it are skipped, and say so, without."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium on this machine, so nothing was tried in a browser")
    playwright = pytest.importorskip("playwright.sync_api")
    quiet = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=quiet.split())
        yield browser
        browser.close()
