"""Work that a thread does aside: its result, its failure, and the end of the process."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from limoe_core.devices.aside import Aside
from tests.conftest import ROOT


def test_the_result_is_waited_for() -> None:
    go = threading.Event()
    aside = Aside("sum", lambda: go.wait(60) and 1 + 1)
    assert aside.is_busy
    go.set()
    assert aside.result() == 2
    assert not aside.is_busy


def test_a_failure_has_no_result_and_is_not_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert Aside("division", lambda: 1 / 0).result() is None
    assert capfd.readouterr() == ("", "")


#: Compiled code that cannot be called off, for many minutes or not at all.
_PROCESS = """
import hashlib
from limoe_core.devices.aside import Aside, end
work = Aside("busy", lambda: hashlib.pbkdf2_hmac("sha256", b"", b"", {rounds}))
{before}
print("told")
end(7)
"""


@pytest.mark.parametrize(
    "rounds, before", [(10**9, "pass"), (1, "work.result()")], ids=["busy", "done"]
)
def test_a_process_ends_without_waiting_for_it(rounds: int, before: str) -> None:
    code = _PROCESS.format(rounds=rounds, before=before)
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (found.returncode, found.stdout, found.stderr) == (7, "told\n", "")
