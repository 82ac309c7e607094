"""What a process computes on, in words; and a GPU that is there and that JAX does not see."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

_NVIDIA = "0x10de"
_DISPLAY = "0x03"
"""First digits of the PCI class of a graphics card or an accelerator without a screen."""
_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin")


def computes_on() -> str:
    """The devices of all processes, their memory and JAX's version, such as `2 GPUs, each NVIDIA
    H100 80GB HBM3 with 59.4 GiB for JAX; JAX 0.12.0`."""
    devices = jax.devices()
    first, count = devices[0], len(devices)
    if first.platform == "cpu":
        found = f"{_number(_cores(), 'CPU core')} with {_gib(_memory())}"
        if count > 1:
            found = f"{count} CPU devices on {found}"
    else:
        kind = first.platform.upper()
        each = f"{first.device_kind}" if count == 1 else f"each {first.device_kind}"
        found = f"{_number(count, kind)}, {each}"
        if limit := (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit"):
            found += f" with {_gib(limit)} for JAX"
    if jax.process_count() > 1:
        found += f", in {jax.process_count()} processes"
    return f"{found}; JAX {jax.__version__}"


def unused_gpu(root: Path = Path("/")) -> str | None:
    """A warning that this machine has an NVIDIA GPU which JAX does not see, and what helps.

    None where JAX has an accelerator, where there is no such GPU, and where the environment keeps
    JAX from it.

    Args:
      root: of the file system.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if os.environ.get("JAX_PLATFORMS") or hidden:
        return None
    if jax.default_backend() != "cpu" or not has_nvidia_gpu(root):
        return None
    told = "warning: this machine has an NVIDIA GPU that JAX does not see, so the CPU is used: "
    if any(map(_is_installed, _PLUGINS)):
        return told + (
            "what nvidia-smi says and python -c 'import jax; jax.devices(\"cuda\")' tell why; "
            "JAX_PLATFORMS=cpu keeps to the CPU"
        )
    return told + (
        f'pip install "jax[cuda13]=={jax.__version__}", or cuda12 where the driver is older than '
        "580; JAX_PLATFORMS=cpu keeps to the CPU"
    )


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Whether a driver, its tool or the PCI bus speaks of an NVIDIA GPU."""
    if (root / "dev" / "nvidia0").exists() or shutil.which("nvidia-smi"):
        return True
    cards = (root / "sys" / "bus" / "pci" / "devices").glob("*")
    return any(
        _text(card / "vendor") == _NVIDIA and _text(card / "class").startswith(_DISPLAY)
        for card in cards
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _cores() -> int:
    """Of this process, where the system limits them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
