"""Roles of parameters: declared where a parameter is made, read by whoever treats it.

A module says what its parameter is (`nnx.Param(values, role=MATRIX)`); the optimizer, the mesh and
the cost model ask for the role by the parameter's path. Optimizer state mirrors the parameters, so
the path of one of its arrays ends with a parameter's and finds the same role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax

#: Names from the root to one parameter.
Path = tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """Treatment of one parameter outside the layer that computes with it."""

    decays: bool = False
    """Weight decay shrinks it."""
    matrix: bool = False
    """Its last two axes are a matrix of a block, which Muon orthogonalises."""
    by_expert: bool = False
    """Its first axis counts experts, which may be spread over devices."""
    frozen: bool = False
    """It has no gradient and the optimizer leaves it alone."""


#: Biases, norms, positions and the temperature.
VECTOR = Role()
#: Embeddings, heads and routers.
WEIGHT = Role(decays=True)
#: Weights of the linear layers inside blocks.
MATRIX = Role(decays=True, matrix=True)
EXPERT_VECTOR = Role(by_expert=True)
EXPERT_MATRIX = Role(decays=True, matrix=True, by_expert=True)
#: What training leaves as it was, or changes outside the gradient.
FROZEN = Role(frozen=True)


class Roles:
    """The role of every parameter of a model, by its path."""

    def __init__(self, by_path: Mapping[Path, Role]) -> None:
        self._by_path = dict(by_path)

    @classmethod
    def of_variables(cls, variables: Mapping[tuple[Any, ...], Any]) -> Roles:
        """From a model's variables by path, as `nnx.to_flat_state` gives them.

        Raises:
          ValueError: if a parameter declares no role.
        """
        roles: dict[Path, Role] = {}
        for path, variable in variables.items():
            name = tuple(map(str, path))
            role = variable.get_metadata().get("role")
            if not isinstance(role, Role):
                raise ValueError(f"the parameter {'.'.join(name)} declares no role")
            roles[name] = role
        return cls(roles)

    def of(self, path: tuple[Any, ...]) -> Role | None:
        """The role of the array at a JAX key path; None if it mirrors no parameter.

        Args:
          path: within parameters, or within anything that holds a tree like theirs.
        """
        names = tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
        for start in range(len(names)):
            if (role := self._by_path.get(names[start:])) is not None:
                return role
        return None

    def mask(self, holds: Callable[[Role], bool]) -> Callable[[Any], Any]:
        """A function from parameters to a tree of bools, as optax takes for a mask."""

        def of_tree(params: Any) -> Any:
            def one(path: tuple[Any, ...], _: Any) -> bool:
                role = self.of(path)
                return role is not None and holds(role)

            return jax.tree_util.tree_map_with_path(one, params)

        return of_tree

    def any(self, holds: Callable[[Role], bool]) -> bool:
        """Whether there is a parameter with such a role."""
        return any(map(holds, self._by_path.values()))
