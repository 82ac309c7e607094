"""Declared shapes are checked while tests run, in the packages and by the checker itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int, TypeCheckError, jaxtyped

import analysis
from limoe_core import losses
from tests import shapes

if TYPE_CHECKING:
    from limoe_core.inference import LoadedModel


def test_a_call_with_a_wrong_shape_fails_and_names_its_parameter() -> None:
    with pytest.raises(TypeCheckError, match="parameter 'counts'"):
        analysis.modality_nmi(np.ones((3, 5)))  # two modalities, not three
    with pytest.raises(TypeCheckError, match="z_loss"):
        losses.z_loss(jnp.ones((3, 4)), jnp.ones(2, bool))


@jaxtyped(typechecker=shapes.check)
def summed(
    x: Float[Array, "n d"],
    *,
    weights: Float[Array, " n"] | None = None,
    model: LoadedModel | None = None,
) -> Float[Array, " d"]:
    return jnp.sum(x if weights is None else x * weights[:, None], 0)


@jaxtyped(typechecker=shapes.check)
def transposed(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return x.T


@jaxtyped(typechecker=shapes.check)
def each(x: dict[str, Int[np.ndarray, " n"]], f: Callable[[], int]) -> tuple[int, ...]:
    return tuple(x)


def test_axes_of_one_name_have_one_length() -> None:
    x = jnp.ones((3, 4))
    assert summed(x, weights=jnp.ones(3)).shape == (4,)
    assert summed(np.ones((3, 4), np.float32)).shape == (4,)  # JAX takes numpy's arrays
    assert jax.jit(summed)(x).shape == (4,)
    for wrong in (
        lambda: summed(jnp.ones(3)),
        lambda: summed(x, weights=jnp.ones(4)),
        lambda: summed(jnp.ones((3, 4), int)),
        lambda: summed("text"),
        lambda: transposed(x),
        lambda: each({"a": np.ones((2, 2), int)}, lambda: 1),
    ):
        with pytest.raises(TypeCheckError):
            wrong()


def test_what_declares_no_shape_is_left_as_it_is() -> None:
    decorate = shapes.where_declared(jaxtyped)(typechecker=shapes.check)

    def plain(x: int, model: LoadedModel | None = None) -> tuple[int, ...]:
        return (x,)

    def declared(x: int, y: list[Float[Array, " n"]] | None = None) -> int:
        return x

    @dataclass
    class Plain:
        x: int

    @dataclass
    class Declared:
        x: Float[Array, " n"]

    init = Plain.__init__
    assert decorate(plain) is plain
    assert decorate(Plain).__init__ is init
    assert decorate(declared) is not declared
    with pytest.raises(TypeCheckError):
        decorate(Declared)(jnp.ones((2, 2)))


def test_nothing_but_arrays_is_checked() -> None:
    """Mypy checks the rest, so names that exist for it alone may stand in a signature."""
    assert summed(jnp.ones((3, 4)), model=7).shape == (4,)
    assert each({"a": np.ones(2, int)}, "no callable") == ("a",)
