"""Products of float32 numbers in full float32, on every device.

JAX by default multiplies float32 in TF32 on NVIDIA GPUs and in bfloat16 on TPUs: ten or seven bits
of each factor, where float32 has 23. What is said to be in float32 asks for all of them here, and
nowhere else: routers, sums over their tokens, losses, heads, augmentation, Muon, and all of a
float32 model in use. The blocks of a float32 model that is being trained do not, for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def exact_float32() -> Iterator[None]:
    """Traced within it, products of float32 numbers are full ones, and so are their gradients'.

    As a decorator or in a `with`. Only for what has no products of smaller types: on some devices
    those would be slower for it, and no better.
    """
    # A gradient's product takes the precision of the one that it is of, wherever it is traced.
    with jax.default_matmul_precision("highest"):
        yield
