"""The machine: description, and speed of matrix products and memory."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import Run

_COPIED = 64 << 20
"""Numbers in the array whose copy measures bandwidth: 256 MiB, more than any cache."""


def describe() -> str:
    """Processor, cores, memory and the relevant versions, as one line."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    kinds = sorted({f"{device.platform}: {device.device_kind}" for device in jax.devices()})
    accelerators = "".join(f", {kind}" for kind in kinds if not kind.startswith("cpu"))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {usable} cores, {memory:.0f} GiB{accelerators}; "
        f"{platform.system()}, Python {platform.python_version()}, jax {version('jax')}, "
        f"jaxlib {version('jaxlib')}"
    )


def busy() -> bool:
    """True if other work keeps the machine busy, so that seconds (not ratios) mean little."""
    return os.getloadavg()[0] > 0.5


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Product(NamedTuple):
    """A batched matrix product (batch, m, k) × (batch, k, n), or several equal ones."""

    m: int
    k: int
    n: int
    batch: int = 1
    times: float = 1
    """Number of such products."""

    @property
    def flops(self) -> float:
        """Total FLOPs: a multiplication and an addition for each of batch·m·k·n."""
        return 2.0 * self.batch * self.m * self.k * self.n * self.times


def with_gradients(product: Product) -> list[Product]:
    """The product and the two of equal size that give the gradients of its factors."""
    m, k, n, batch, times = product
    return [product, Product(m, n, k, batch, times), Product(k, m, n, batch, times)]


def product_runs(products: Sequence[Product]) -> dict[str, Run]:
    """Functions that compute each product in float32, in a gradient step's layouts.

    The second of `with_gradients` multiplies by a transposed right factor, the third by a
    transposed left one; here all are plain, which is the fastest layout, so the rate measured with
    them is an upper bound for the step.
    """
    return {_name(product): _product_run(product) for product in products}


def seconds_of(products: Sequence[Product], medians: dict[str, float]) -> float:
    """Total seconds of the products, `times` of each, from the medians of `product_runs`."""
    return math.fsum(medians[_name(product)] * product.times for product in products)


def _name(product: Product) -> str:
    return "product {}x{}x{}x{}".format(product.batch, *product[:3])


def _product_run(product: Product) -> Run:
    rng = np.random.default_rng(0)
    lead = (product.batch,) if product.batch > 1 else ()
    left = jnp.asarray(rng.standard_normal((*lead, product.m, product.k), np.float32))
    right = jnp.asarray(rng.standard_normal((*lead, product.k, product.n), np.float32))
    multiply = jax.jit(jnp.matmul)
    return lambda: multiply(left, right)


def copy_run() -> tuple[Run, float]:
    """A function that reads and writes a large array once, and the bytes it moves."""
    array = jnp.ones(_COPIED, jnp.float32)
    add = jax.jit(lambda x: x + 1)
    return (lambda: add(array)), 2.0 * array.nbytes
