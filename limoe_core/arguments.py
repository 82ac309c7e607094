"""Arguments of the public functions, checked before any work; errors are sentences."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from limoe_core.config import ModelConfig
from limoe_core.data.preprocess import Picture, check_picture

#: How far values of the model's input may lie beyond [-1, 1], by rounding.
_TOLERANCE = 0.01


def whole_number(value: Any, name: str) -> int:
    """An integer of Python or numpy.

    Raises:
      TypeError: it is a string, a float or a truth value, or nothing like a number.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, such as 500, not {value!r}") from None


def texts(given: Iterable[str | None], function: str, *, none: bool = False) -> list[str]:
    """A list of texts.

    Args:
      none: whether None may stand for "".

    Raises:
      TypeError: it is a single text, or one of them is no text.
    """
    if isinstance(given, str):
        raise TypeError(f"{function} takes a list of texts; for a single one give [{given[:60]!r}]")
    listed = _listed(given, "texts", function)
    for number, text in enumerate(listed):
        if not isinstance(text, str) and not (none and text is None):
            raise TypeError(f"{function}: text {number} is {_kind(text)}, and not a str")
    return [text or "" for text in listed]


def pictures(given: Iterable[Picture], function: str) -> list[Picture]:
    """A list of pictures.

    Raises:
      TypeError: it is a single picture, or None is among them.
      limoe_core.data.preprocess.PictureError: one of them is not a picture.
    """
    found = []
    for number, picture in enumerate(pictures_of_pairs(given, function)):
        if picture is None:
            raise TypeError(
                f"{function}: picture {number} is None; pairs without a picture are for trace"
            )
        found.append(picture)
    return found


def pictures_of_pairs(given: Iterable[Picture | None], function: str) -> list[Picture | None]:
    """A list of pictures, with None where a pair has none.

    Raises:
      TypeError: it is a single picture.
      limoe_core.data.preprocess.PictureError: one of them is not a picture.
    """
    check_several_pictures(given, function)
    listed = _listed(given, "pictures", function)
    for picture in listed:
        if picture is not None:
            check_picture(picture)
    return listed


def check_several_pictures(given: Any, function: str) -> None:
    """Looks whether these are several pictures, without looking at each.

    Raises:
      TypeError: it is a single picture, or the path or content of one.
    """
    # An array of three axes may also be a batch of grey pictures, but not if it ends in colours.
    shape = np.shape(given) if isinstance(given, np.ndarray) else ()
    single = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if single or isinstance(given, Image.Image):
        raise TypeError(f"{function} takes a list of pictures; for a single one give [picture]")
    if isinstance(given, str | bytes):
        raise TypeError(
            f"{function} takes a list of pictures; for a file give [open_picture(path)[0]], with "
            "open_picture of limoe_core.data.preprocess"
        )


def pixels(given: Any, model: ModelConfig, function: str) -> np.ndarray:
    """Pictures as the model's input, as float32 (n, S, S, 3).

    Raises:
      ValueError: they are not floating point of this shape, not finite, or not in [-1, 1].
    """
    size = model.image_size
    try:
        values = np.asarray(given)
    except ValueError:  # rows of several lengths
        values = np.empty(0, object)
    if values.shape[1:] != (size, size, 3) or not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            f"{function} takes floating-point pixels of shape (n, {size}, {size}, 3), not "
            f"{values.dtype} of {values.shape}; for pictures of other kinds there are "
            "encode_images and trace"
        )
    if values.size:
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"{function}: some pixels are no numbers (NaN or infinite)")
        if max(-low, high) > 1 + _TOLERANCE:
            raise ValueError(
                f"{function}: pixels must be in [-1, 1], and these are from {low:.4g} to "
                f"{high:.4g}; limoe_core.data.preprocess.to_model_input makes them so"
            )
    return values.astype(np.float32, copy=False)


def truth(given: Any, name: str) -> bool:
    """A truth value.

    Raises:
      TypeError: it is anything else.
    """
    if not isinstance(given, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {given!r}")
    return bool(given)


def capacity_factor(given: Any) -> float:
    """A capacity factor; 0 drops nothing.

    Raises:
      ValueError: it is not a number from 0 on.
    """
    try:
        value = math.nan if isinstance(given, bool | str) else float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(
            f"capacity_factor must be a number from 0 on, where 0 drops no token, not {given!r}"
        )
    return value


def image_valid(given: Any, count: int) -> np.ndarray:
    """Which pairs have a picture, as bool (n,).

    Raises:
      ValueError: it is not one truth value for each pair.
    """
    values = np.asarray(given)
    if values.shape != (count,) or values.dtype != bool:
        raise ValueError(
            f"image_valid must be {count} truth values, one for each pair, not {values.dtype} of "
            f"{values.shape}"
        )
    return values


def meta(given: Mapping[str, Sequence[str]] | None, count: int) -> Mapping[str, Sequence[str]]:
    """What else is known of each pair.

    Raises:
      TypeError: it is no dict.
      ValueError: an entry has not one value for each pair.
    """
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"meta must be a dict of names and values, not {given!r:.60}")
    for name, values in (given or {}).items():
        single = isinstance(values, str)
        if single or np.ndim(values) != 1 or len(values) != count:
            has = "one text" if single else _count(values)
            raise ValueError(f"meta[{name!r}] has {has} for {count} pairs")
    return given or {}


def _count(values: Any) -> str:
    return f"{len(values)} values" if np.ndim(values) else f"{values!r}"


def intervention(given: Any, model: ModelConfig) -> Any:
    """An intervention for every MoE layer of a model.

    Raises:
      TypeError: it is something else.
      ValueError: its shapes are not the model's, its bias is NaN or +inf somewhere, or it leaves
        some tokens no expert.
    """
    if not (hasattr(given, "bias") and hasattr(given, "silence")):
        raise TypeError(
            f"intervention must be a limoe_core.model.router.Intervention, not {given!r:.60}"
        )
    layers, experts = len(model.moe_layers), model.experts
    if not layers:
        raise ValueError("intervention: this model is a dense twin and has no routers")
    shape = (layers, 2, experts)
    for name in ("bias", "silence"):
        found = np.shape(getattr(given, name))
        if found != shape:
            raise ValueError(
                f"intervention.{name} must have the shape {shape}, for {layers} MoE layers, image "
                f"and text tokens, and {experts} experts, not {found}"
            )
    bias = np.asarray(given.bias)
    if np.isnan(bias).any() or np.isposinf(bias).any():
        raise ValueError("intervention.bias must hold numbers or -inf, and neither NaN nor +inf")
    if np.isneginf(bias).all(axis=-1).any():
        raise ValueError(
            "intervention.bias is -inf for every expert of a layer and modality, which leaves its "
            "tokens none"
        )
    if getattr(given, "forced", None) is not None:
        raise ValueError(
            "intervention.forced is for `FunctionalModel.forward`, where the caller knows which "
            "place a token has; analysis.token_routes forces the routes of one token"
        )
    return given


def _listed(given: Any, what: str, function: str) -> list[Any]:
    try:
        return list(given)
    except TypeError:
        raise TypeError(f"{function} takes a list of {what}, not {_kind(given)}") from None


def _kind(value: Any) -> str:
    return "None" if value is None else f"{value!r:.60} ({type(value).__name__})"
