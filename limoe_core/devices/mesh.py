"""The device mesh, and how parameters, optimizer state and batches lie on it.

Two axes: `expert` splits the experts of every mixture, and both axes together split the batch, so a
mesh of `data=4,expert=2` trains on 8 devices with every expert on 4 of them. Nothing else in the
project asks how many devices there are: arrays are placed by the rules here, and XLA derives what
has to be sent.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from limoe_core.config import ConfigError
from limoe_core.roles import Roles

DATA, EXPERT = "data", "expert"
#: A batch's leading axis lies over all devices.
EVERYWHERE = PartitionSpec((DATA, EXPERT))
WHOLE = PartitionSpec()
#: Most digits of an axis in the text of a mesh.
_DIGITS = 7


class MeshShape(NamedTuple):
    """The number of devices along each axis."""

    data: int
    expert: int

    @property
    def devices(self) -> int:
        return self.data * self.expert

    @classmethod
    def parse(cls, text: str, devices: int) -> MeshShape:
        """From text such as `data=4,expert=2`; an axis that is left out takes the devices left over
        (`data` first), and empty text puts all of them on `data`.

        Raises:
          ConfigError: for other text, or if the devices do not fit.
        """
        sizes = _axes(text)
        expert = sizes.get(EXPERT, max(devices // sizes[DATA], 1) if DATA in sizes else 1)
        shape = cls(sizes.get(DATA, devices // max(expert, 1)), expert)
        if shape.devices != devices:
            raise ConfigError(
                f"mesh data={shape.data},expert={shape.expert} is for {shape.devices} devices, "
                f"and there are {devices}"
            )
        return shape

    @staticmethod
    def size_of(text: str) -> int:
        """Devices that a mesh such as `data=4,expert=2` has; an axis left out has one."""
        return math.prod(_axes(text).values())


def _axes(text: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        if name not in (DATA, EXPERT) or name in sizes or not number.isdecimal():
            raise ConfigError(f"mesh {text!r}: expected the like of data=4,expert=2")
        if len(number) > _DIGITS:
            raise ConfigError(f"mesh {text[:40]!r}: there are no meshes of so many devices")
        sizes[name] = int(number)
    if 0 in sizes.values():
        raise ConfigError(f"mesh {text!r}: an axis has at least one device")
    return sizes


def make_mesh(shape: MeshShape, devices: list[Any] | None = None) -> Mesh:
    """The mesh over all devices of all processes, or over the given ones."""
    return jax.make_mesh(
        (shape.data, shape.expert),
        (DATA, EXPERT),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=devices,
    )


def parameter_spec(path: tuple[Any, ...], leaf: Any, roles: Roles, data: int = 1) -> PartitionSpec:
    """Where one array of the parameters, or of the optimizer state about them, lies.

    What has a row for each expert lies along `expert`. Along `data` an array is whole on every
    device, or cut along its longest axis that can be shared out evenly (ZeRO, arXiv 1910.02054).
    Vectors stay whole: they are so small that sending them would cost more than keeping them.

    Args:
      data: devices along `data` that share it out; 1 for none.
    """
    role = roles.of(path)
    if role is None or not leaf.ndim:
        return WHOLE
    taken = int(role.by_expert)
    axes: list[str | None] = [EXPERT] * taken
    free = [axis for axis in range(taken, leaf.ndim) if leaf.shape[axis] % data == 0]
    if data > 1 and free and leaf.ndim - taken > 1:
        longest = max(free, key=lambda axis: leaf.shape[axis])
        axes += [None] * (longest - taken) + [DATA]
    return PartitionSpec(*axes)


def shardings(tree: Any, mesh: Mesh, roles: Roles, *, split: bool = False) -> Any:
    """A `NamedSharding` for each array (or shape) of parameters or optimizer state.

    Args:
      split: cut along `data`, too: see `parameter_spec`.
    """
    data = mesh.shape[DATA] if split else 1
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: NamedSharding(mesh, parameter_spec(path, leaf, roles, data)), tree
    )


def placed_shapes(tree: Any, mesh: Mesh, roles: Roles, *, split: bool = False) -> Any:
    """The shapes of `tree` with the shardings they have on `mesh`, to restore a checkpoint to."""
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        tree,
        shardings(tree, mesh, roles, split=split),
    )


def in_place(tree: Any, roles: Roles, *, split: bool = False) -> Any:
    """`tree`, laid out as `shardings` says on the mesh that is set; the tree itself without one."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return tree
    data = mesh.shape[DATA] if split else 1
    return jax.tree_util.tree_map_with_path(
        lambda path, x: constrain(x, parameter_spec(path, x, roles, data)), tree
    )


def batch_spec(groups: int, pictures: int, devices: int) -> PartitionSpec:
    """Where arrays with axes (groups, pictures of a group, …) lie on a mesh of so many devices.

    Whole groups on each device if they can be shared out evenly, since then nothing is sorted
    across devices; else a part of every group.

    Raises:
      ConfigError: neither can be shared out evenly.
    """
    if groups % devices == 0:
        return EVERYWHERE
    if pictures % devices == 0:
        return PartitionSpec(None, (DATA, EXPERT))
    raise ConfigError(
        f"a batch of {groups} routing groups with {pictures} pictures each cannot be shared out "
        f"evenly to {devices} devices; change data.batch_size or train.routing_groups"
    )


def constrain(x: Shaped[Array, "*s"], spec: PartitionSpec) -> Shaped[Array, "*s"]:
    """`x`, laid out by `spec` on the mesh that is set (`jax.set_mesh`); x itself without one."""
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, spec)


def on_one_cpu() -> bool:
    """Whether what is traced now will run on a single CPU device."""
    mesh = jax.sharding.get_abstract_mesh()
    return (mesh.empty or mesh.size == 1) and jax.default_backend() == "cpu"


def fetch(tree: Any, mesh: Mesh) -> Any:
    """Every array of `tree` whole, on this process's first device.

    A collective operation: every process must call it.
    """
    if math.prod(mesh.devices.shape) == 1:
        return tree
    whole = jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, WHOLE))(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), whole)
