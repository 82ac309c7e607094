"""What a start says that it runs on, and whom it tells of a GPU that JAX does not see."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from limoe_core.devices import hardware
from limoe_core.devices.hardware import computes_on, has_nvidia_gpu, unused_gpu


def device(platform: str, kind: str, memory: int | None = None) -> Any:
    stats = None if memory is None else {"bytes_limit": memory}
    return SimpleNamespace(platform=platform, device_kind=kind, memory_stats=lambda: stats)


H100 = ("gpu", "NVIDIA H100 80GB HBM3", 60 << 30)


@pytest.mark.parametrize(
    ("devices", "processes", "said"),
    [
        ([device(*H100)], 1, "1 GPU, NVIDIA H100 80GB HBM3 with 60 GiB for JAX; JAX "),
        ([device(*H100)] * 8, 2, "8 GPUs, each NVIDIA H100 80GB HBM3 with 60 GiB for JAX, in 2 pr"),
        ([device("tpu", "TPU v5p")] * 4, 1, "4 TPUs, each TPU v5p; JAX "),
        ([device("cpu", "cpu")], 1, "3 CPU cores with 16 GiB; JAX "),
        ([device("cpu", "cpu")] * 4, 1, "4 CPU devices on 3 CPU cores with 16 GiB; JAX "),
    ],
)
def test_a_start_says_what_it_runs_on(
    devices: list[Any], processes: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "devices", lambda: devices)
    monkeypatch.setattr(jax, "local_devices", lambda: devices[:1])
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    monkeypatch.setattr(hardware, "_cores", lambda: 3)
    monkeypatch.setattr(hardware, "_memory", lambda: 16 << 30)
    assert computes_on().startswith(said)
    assert computes_on().endswith(f"JAX {jax.__version__}")


def test_this_machine_has_cores_and_memory() -> None:
    assert hardware._cores() >= 1
    assert hardware._memory() > 1 << 28


def a_card(root: Path, vendor: str = "0x10de", kind: str = "0x030200") -> Path:
    place = root / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"
    place.mkdir(parents=True)
    (place / "vendor").write_text(f"{vendor}\n")
    (place / "class").write_text(f"{kind}\n")
    return root


@pytest.fixture
def only_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX on a CPU by itself, on a machine without NVIDIA's tools."""
    for name in ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_a_gpu_is_known_by_its_driver_its_tool_or_the_bus(
    only_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not has_nvidia_gpu(tmp_path)
    assert has_nvidia_gpu(a_card(tmp_path / "bus"))
    assert not has_nvidia_gpu(a_card(tmp_path / "other", vendor="0x8086"))
    assert not has_nvidia_gpu(a_card(tmp_path / "sound", kind="0x040300"))
    (tmp_path / "driver" / "dev").mkdir(parents=True)
    (tmp_path / "driver" / "dev" / "nvidia0").touch()
    assert has_nvidia_gpu(tmp_path / "driver")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/lib/wsl/lib/nvidia-smi")
    assert has_nvidia_gpu(tmp_path / "nothing")


def test_who_has_a_gpu_that_jax_does_not_see_is_told_what_to_install(
    only_cpu: None, tmp_path: Path
) -> None:
    told = unused_gpu(a_card(tmp_path))
    assert told is not None
    assert f'pip install "jax[cuda13]=={jax.__version__}"' in told
    assert told.startswith("warning: ")


def test_who_has_installed_it_is_told_where_to_look(
    only_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_is_installed", lambda package: package == "jax-cuda12-plugin")
    told = unused_gpu(a_card(tmp_path))
    assert told is not None
    assert "nvidia-smi" in told
    assert "pip install" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [("JAX_PLATFORMS", "cpu"), ("CUDA_VISIBLE_DEVICES", ""), ("CUDA_VISIBLE_DEVICES", "-1")],
)
def test_who_chose_the_cpu_is_told_nothing(
    only_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert unused_gpu(a_card(tmp_path)) is None


def test_whom_a_scheduler_gave_a_gpu_is_told(
    only_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert unused_gpu(a_card(tmp_path)) is not None


def test_nothing_is_told_where_there_is_none_or_it_is_used(
    only_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unused_gpu(tmp_path) is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert unused_gpu(a_card(tmp_path)) is None


def test_packages_of_jax_are_looked_for_by_name() -> None:
    assert hardware._is_installed("jax")
    assert not hardware._is_installed("jax-cuda99-plugin")
