"""What a device can do, as its maker publishes it, and how much of that a step reaches."""

from __future__ import annotations

import os
from dataclasses import dataclass

from limoe_core.config import ConfigError, ModelConfig
from limoe_core.model.attention import why_unfit_for_cudnn


@dataclass(frozen=True)
class Device:
    """One GPU, one TPU chip, or one machine's CPU."""

    memory: float
    """Bytes."""
    usable: float
    """Share of it that JAX takes unless it is told otherwise."""
    tflops: float
    """Rate of matrix products in bfloat16 without sparsity, in 10¹² FLOPs a second."""
    memory_gbps: float
    """Bandwidth of the memory, in 10⁹ bytes a second."""
    link_gbps: float
    """What it sends to the others it is linked with, in 10⁹ bytes a second, in one direction."""
    linked: int
    """How many devices are linked at that rate: those of a host, or of a TPU pod."""
    beyond_gbps: float
    """The same to any further ones, over the network."""
    source: str
    """Where the numbers are from."""
    cudnn: bool = False
    """Whether cuDNN's attention runs there."""
    reached: float = 0.30
    """Share of the matrix rate that a whole step reaches."""

    def attends_fused(self, model: ModelConfig) -> bool:
        """Whether pictures attend in one kernel there: see `ModelConfig.attention`."""
        return self.cudnn and model.attention != "xla" and not why_unfit_for_cudnn(model)

    def network_gbps(self, devices: int) -> float:
        """What each of so many devices sends to the others, in 10⁹ bytes a second.

        Raises:
          ConfigError: for more than there are in a TPU pod.
        """
        if devices <= self.linked:
            return self.link_gbps
        if not self.beyond_gbps:
            raise ConfigError(
                f"{devices:,} devices are more than the {self.linked:,} of one pod; say with "
                "--network-gbps how fast pods are joined"
            )
        return self.beyond_gbps


_GIB = 2**30
#: JAX reserves three quarters of a GPU's memory (XLA_PYTHON_CLIENT_MEM_FRACTION).
_OF_A_GPU = 0.75
#: The runtime and the program take some of a TPU's.
_OF_A_TPU = 0.95
#: A network card of 400 Gbit/s for each GPU, as in NVIDIA's DGX H100; 200 with an A100.
_NDR, _HDR = 50.0, 25.0


def _gpu(memory: float, tflops: float, memory_gbps: float, link_gbps: float, page: str) -> Device:
    return Device(
        memory=memory * 1e9,
        usable=_OF_A_GPU,
        tflops=tflops,
        memory_gbps=memory_gbps,
        link_gbps=link_gbps,
        linked=8,
        beyond_gbps=_NDR if link_gbps > 300 else _HDR,
        source=f"NVIDIA's data sheet, nvidia.com/en-us/data-center/{page}",
        cudnn=True,
    )


def _tpu(
    memory: float, tflops: float, memory_gbps: float, link_gbps: float, pod: int, page: str
) -> Device:
    return Device(
        memory=memory,
        usable=_OF_A_TPU,
        tflops=tflops,
        memory_gbps=memory_gbps,
        link_gbps=link_gbps,
        linked=pod,
        beyond_gbps=0.0,
        source=f"Google's page, docs.cloud.google.com/tpu/docs/{page}",
    )


DEVICES: dict[str, Device] = {
    # SXM modules, whose NVLink is given for both directions together.
    "H200": _gpu(141, 989, 4800, 450, "h200"),
    "H100": _gpu(80, 989, 3350, 450, "h100"),
    "A100": _gpu(80, 312, 2039, 300, "a100"),
    # A slice named v5p-32 has 32 cores, which are 16 chips. Links are given for both directions.
    "v5p": _tpu(95 * _GIB, 459, 2765, 600, 8960, "v5p"),
    "v5e": _tpu(16e9, 197, 819, 200, 256, "v5e"),
    "v6e": _tpu(32e9, 918, 1638, 400, 256, "v6e"),
    # Two cores, in float32: a step reaches 0.5 of what products of its shapes do.
    "cpu": Device(
        memory=float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        usable=0.9,
        tflops=0.081,
        memory_gbps=16.3,
        link_gbps=1.25,
        linked=1,
        beyond_gbps=1.25,
        source="this machine's memory; rates of two cores of an AMD EPYC, benchmarks/RESULTS.md",
        reached=0.51,
    ),
}
"""By name. What a step reaches was measured on one H200 (0.29 and 0.31 of the published rate, with
LIMoE-B/16 and its dense twin) and is assumed of the other accelerators."""


def device(name: str) -> Device:
    """The device of that name, whatever its case.

    Raises:
      ConfigError: there is none.
    """
    found = {known.lower(): device for known, device in DEVICES.items()}.get(name.lower())
    if found is None:
        raise ConfigError(f"no numbers of a device {name!r}; there are {', '.join(DEVICES)}")
    return found
