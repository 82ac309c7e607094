"""Joining the other processes of a run that spans several."""

from __future__ import annotations

import os

import jax

from limoe_core.config import ConfigError

#: Any of these says that the process is one of several. JAX reads the rest of what each kind of
#: cluster sets: Slurm, Open MPI, MPICH, or these three variables set by hand.
_BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
_SIZES = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")


def join() -> None:
    """Connect to the other processes if the environment speaks of any; else do nothing.

    Must come before anything else asks JAX for its devices.

    Raises:
      ConfigError: the environment is incomplete, or the others cannot be reached.
    """
    by_hand = [name for name in _BY_HAND if os.environ.get(name)]
    several = any(int(os.environ.get(name) or 1) > 1 for name in _SIZES)
    if not (by_hand or several) or jax.distributed.is_initialized():
        return
    missing = sorted(set(_BY_HAND) - set(by_hand))
    if by_hand and missing and not several:
        raise ConfigError(f"{', '.join(by_hand)} is set and {', '.join(missing)} is not")
    try:
        if by_hand and not missing:
            address, processes, index = (os.environ[name] for name in _BY_HAND)
            jax.distributed.initialize(address, int(processes), int(index))
        else:
            jax.distributed.initialize()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the other processes of the run cannot be joined: {error}") from error


def is_first() -> bool:
    """Whether this is the process that writes what one process is to write."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Return when every process has come here; `name` must be the same in all of them."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)
