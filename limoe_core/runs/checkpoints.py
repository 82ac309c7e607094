"""The parameters, optimizer and input position of single training steps, kept by Orbax.

Layout: `<folder>/<step>/{params,opt_state,input}`; a step that ships has `params` alone. Orbax
writes a step under a temporary name and renames it when it is whole; steps that are no longer kept
are renamed away before they are removed, so a folder named by a number is always a whole step.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from limoe_core import confined
from limoe_core.confined import ANYWHERE
from limoe_core.runs.files import INPUT, OPTIMIZER, PARAMS, RunError, brief, whole_steps, why

#: Nested dicts, tuples and named tuples of arrays, or of their `jax.ShapeDtypeStruct`.
Tree = Any

_TRASH = ".deleted"
#: Most bytes of a file that describes a step's arrays.
_MOST_METADATA = 64 * 2**20
#: Most bytes that arrays take for each byte on disk; new biases and norms pack well.
_MOST_PACKED = 50
#: How Orbax packs arrays. It is unpacked bit by bit; blosc takes the memory that a chunk asks for.
#: Zarr 3 may pack an array several times over, and training does not use it.
_PACKED, _ZARR = "zstd", 2


def read_params(
    folder: Path, step: int, target: Tree | None = None, within: Path = ANYWHERE
) -> Tree:
    """The parameters of a step, without touching its optimizer state.

    Args:
      target: tree of `jax.ShapeDtypeStruct` (or arrays). Each leaf is cast to its dtype and placed
        on its sharding, or on the first local device where it has none. Without a target: nested
        dicts, with string keys, of numpy arrays as they are stored.
      within: folder that the step must lie in, links followed.

    Raises:
      RunError: there is no such step, it is damaged, or it does not fit the target.
    """
    return _read(folder, step, {PARAMS: target}, within)[PARAMS]


def read_all(folder: Path, step: int, targets: Mapping[str, Tree]) -> dict[str, Any]:
    """Everything a step holds, to go on training: `params`, `opt_state` and `input`.

    Args:
      targets: `{"params": …, "opt_state": …}`, trees as in `read_params`.

    Raises:
      RunError: as `read_params`; also for a step that was shipped without its optimizer state.
    """
    return _read(folder, step, {**targets, INPUT: None})


class StepStore:
    """Writes steps in the background and keeps the newest; use it as a context manager.

    Every process of a multi-host run must make the same calls.
    """

    def __init__(self, folder: Path, *, keep: int = 3, keep_period: int = 0) -> None:
        """
        Args:
          folder: holds one directory a step; created if missing.
          keep: newest steps to keep; 0 keeps all.
          keep_period: steps at a multiple of this are kept for good; 0 for none.
        """
        self._folder = folder.absolute()
        self._unchecked = False
        policies = checkpoint_managers
        preserve: list[policies.PreservationPolicy] = [policies.LatestN(keep or None)]
        if keep_period:
            preserve.append(policies.EveryNSteps(keep_period))
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(preserve),
                todelete_subdir=_TRASH,
                cleanup_tmp_directories=True,  # what a killed process left behind
                save_root_metadata=False,
            ),
        )

    def steps(self) -> list[int]:
        """Steps that are whole on disk."""
        return whole_steps(self._folder)

    def save(
        self, step: int, params: Tree, opt_state: Tree = None, input_state: Any = None
    ) -> bool:
        """Starts writing a step and returns once its arrays may change (or be donated).

        Args:
          params: nested dict of arrays.
          opt_state: any tree of arrays; None leaves it out.
          input_state: JSON values, such as the position of the input; None leaves it out.

        Returns:
          False if this step was there already, True otherwise.

        Raises:
          RunError: it cannot be written, as when the disk is full or the folder is read-only.
        """
        if step in self._manager.all_steps():
            return False
        items: dict[str, Any] = {PARAMS: ocp.args.PyTreeSave(params)}
        if opt_state is not None:
            items[OPTIMIZER] = ocp.args.PyTreeSave(opt_state)
        if input_state is not None:
            items[INPUT] = ocp.args.JsonSave(input_state)
        with self._saying_what_is_safe():
            self._manager.wait_until_finished()  # so that nothing else fails after what we say
            # Or Orbax would wait five minutes for a folder that its thread could not make.
            if not self._folder.is_dir():
                raise FileNotFoundError
            if not os.access(self._folder, os.W_OK | os.X_OK):
                raise PermissionError("Permission denied")
            self._empty_trash()
            saved: bool = self._manager.save(step, args=ocp.args.Composite(**items), force=True)
        self._unchecked = saved
        return saved

    def is_saving(self) -> bool:
        """Whether a step is being written."""
        return bool(self._manager.is_saving_in_progress())

    def check(self) -> None:
        """Tells at once of a step that could not be written; takes no time.

        Raises:
          RunError: as `wait`.
        """
        if self._unchecked and not self.is_saving():
            self._unchecked = False
            self.wait()

    def restore_params(self, step: int, target: Tree | None = None) -> Tree:
        """See `read_params`; waits for a step that is still being written."""
        self.wait()
        return read_params(self._folder, step, target)

    def restore_all(self, step: int, targets: Mapping[str, Tree]) -> dict[str, Any]:
        """See `read_all`; waits for a step that is still being written."""
        self.wait()
        return read_all(self._folder, step, targets)

    def wait(self) -> None:
        """Returns when everything saved is on disk.

        Raises:
          RunError: a step could not be written, as when the disk is full.
        """
        with self._saying_what_is_safe():
            self._manager.wait_until_finished()
            self._empty_trash()

    @contextmanager
    def _saying_what_is_safe(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and TensorStore raise many kinds
            if not self._folder.is_dir():
                raise RunError(
                    f"{self._folder} was deleted, so no step can be saved there; begin anew, or "
                    "put the run back and go on with --resume"
                ) from error
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            found = self.steps()
            safe = f"Step {found[-1]} is whole" if found else "No step was saved before"
            raise RunError(
                f"a step could not be saved to {self._folder}: {reason[:300]}. {safe}; when there "
                "is room, or the folder may be written to, go on with --resume"
            ) from error

    def close(self) -> None:
        """Waits, then frees the background threads."""
        self.wait()
        self._manager.close()

    def _empty_trash(self) -> None:
        if jax.process_index() == 0:
            shutil.rmtree(self._folder / _TRASH, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _read(
    folder: Path, step: int, targets: Mapping[str, Tree | None], within: Path = ANYWHERE
) -> dict[str, Any]:
    folder = folder.absolute()
    found = whole_steps(folder, within)
    if step not in found:
        have = f"it has {', '.join(map(str, found))}" if found else "it has none"
        raise RunError(f"{folder} has no step {step}; {have}")
    place = folder / str(step)
    missing = [name for name in targets if not (place / name).is_dir()]
    if missing:
        raise RunError(f"{place} holds no {' and no '.join(missing)}: it can be used, not resumed")
    try:
        return {name: _read_item(place / name, target, within) for name, target in targets.items()}
    except RunError:
        raise
    except confined.RefusedError as error:
        raise RunError(str(error)) from None
    except PermissionError as error:
        raise RunError(f"{place} cannot be read: {why(error)}") from error
    except Exception as error:  # Orbax and TensorStore raise many kinds for damaged files
        raise RunError(f"{place} is damaged or incomplete: {brief(error, 300)}") from error


def _read_item(place: Path, target: Tree | None, within: Path) -> Any:
    on_disk = sum(state.st_size for _, state in _checked(place, within))
    # Handlers, not a Checkpointer: that would open the items that were not asked for as well.
    if place.name == INPUT:
        return ocp.JsonCheckpointHandler().restore(place)
    handler = ocp.PyTreeCheckpointHandler()
    try:
        stored = handler.metadata(place).tree
        _require_packing(place, stored)
        if place.name == PARAMS:
            _require_room(place, stored, on_disk)
        return handler.restore(place, args=_restore_args(place, stored, target))
    finally:
        handler.close()


def _checked(place: Path, within: Path) -> list[tuple[str, os.stat_result]]:
    """The files that Orbax will open, none of which is a link, a FIFO or too large to be true."""
    files = confined.tree(place, within=within)
    for name, state in files:
        if Path(name).parent == place.resolve() and state.st_size > _MOST_METADATA:
            raise RunError(f"{name} is larger than {_MOST_METADATA // 2**20} MiB")
    return files


def _require_packing(place: Path, stored: Tree) -> None:
    """Refuses arrays that are packed in a way that training does not use."""
    for leaf in jax.tree.leaves(stored):
        zarr = getattr(getattr(leaf, "storage", None), "zarr_metadata", None)
        form, packed = getattr(zarr, "zarr_format", _ZARR), getattr(zarr, "compression", None)
        if form != _ZARR:
            raise RunError(f"{place} is written in zarr {form}, and only zarr {_ZARR} is read")
        if packed is not None and not str(packed).startswith(_PACKED):
            raise RunError(f"{place} is packed with {str(packed)[:40]}, and only {_PACKED} is read")


def _require_room(place: Path, stored: Tree, on_disk: int) -> None:
    """Refuses arrays that claim far more memory than they take on disk."""
    claimed = 0
    for leaf in jax.tree.leaves(stored):
        size = math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize
        storage = getattr(leaf, "storage", None)
        chunk = math.prod(getattr(storage, "chunk_shape", None) or leaf.shape)
        # A chunk is unpacked as a whole, however little of it is wanted.
        claimed += max(size, chunk * np.dtype(leaf.dtype).itemsize)
    if claimed > _MOST_PACKED * on_disk + _MOST_METADATA:
        raise RunError(
            f"{place} claims {claimed / 2**20:,.0f} MiB of parameters and has "
            f"{on_disk / 2**20:,.1f} MiB on disk"
        )


def _restore_args(place: Path, stored: Tree, target: Tree | None) -> ocp.args.PyTreeRestore:
    """What to ask Orbax for, after checking that the stored arrays fit `target`.

    The check is ours because Orbax pads or cuts an array of another shape, without a word.
    """
    if target is None:
        plain = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), stored)
        return ocp.args.PyTreeRestore(restore_args=plain)
    target = jax.tree.map(_placed, target)
    wanted, have = _shapes(target), _shapes(stored)
    wrong = sorted(path for path in wanted | have if wanted.get(path) != have.get(path))
    if wrong:
        path = wrong[0]
        raise RunError(
            f"{place} does not fit the model of config.json: {path} is "
            f"{have.get(path, 'missing')}, expected {wanted.get(path, 'none')}"
            + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else "")
        )
    return ocp.args.PyTreeRestore(
        item=target, restore_args=ocp.checkpoint_utils.construct_restore_args(target)
    )


def _placed(leaf: Any) -> jax.ShapeDtypeStruct:
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _shapes(tree: Tree) -> dict[str, tuple[int, ...]]:
    """Path "a/b/0" -> shape. Named tuples come back from disk as dicts, so names must agree."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
        for path, leaf in leaves
    }
