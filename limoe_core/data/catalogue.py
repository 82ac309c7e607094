"""Data sets that models are commonly compared on: what is asked of them, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Part = Literal["zero_shot", "linear_probe", "retrieval"]


@dataclass(frozen=True)
class KnownSet:
    """How a TFDS data set is evaluated."""

    splits: tuple[str, ...]
    """What its test split is called; the first that there is counts."""
    parts: tuple[Part, ...]
    """What is asked of a model: a set with labels is classified, one with captions searched."""
    templates: tuple[str, ...] = ()
    """Sentences of the prompt ensemble that a class name is put into."""
    by_hand: str = ""
    """What TFDS cannot fetch by itself, as the end of a sentence; "{downloads}" is the folder."""


_CLASSIFY: tuple[Part, ...] = ("zero_shot", "linear_probe")

#: The sets that `limoe_core.evaluate --tasks` knows by name.
KNOWN: Mapping[str, KnownSet] = {
    "imagenet2012": KnownSet(
        splits=("validation",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}.",
            "a photo of the {} up close.",
            "a {} in its usual surroundings.",
            "part of a {} in a photo.",
            "a small picture of a {}.",
            "a drawing of a {}.",
        ),
        by_hand="ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org must lie "
        "in {downloads} before",
    ),
    "cifar100": KnownSet(
        splits=("test",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}.",
            "a tiny, blurry photo of a {}.",
            "a picture of the {} in few pixels.",
            "a thumbnail that shows a {}.",
        ),
    ),
    "oxford_iiit_pet": KnownSet(
        splits=("test",),
        parts=_CLASSIFY,
        templates=(
            "a photo of a {}, a kind of pet.",
            "a {}, a breed of cat or dog.",
            "my pet {} at home.",
            "a portrait of a {}.",
        ),
    ),
    "coco_captions": KnownSet(splits=("val", "validation"), parts=("retrieval",)),
}

_EMOJI = ("{}", "a picture of {}", "an emoji of {}", "a drawing of {}", "{} icon")
_OTHER = ("{}", "a picture of {}", "a photo of a {}.", "a photo of the {}.")


def templates(name: str) -> tuple[str, ...]:
    """Templates of the prompt ensemble of a data set, whether it is known or not."""
    if name == "emoji":
        return _EMOJI
    return KNOWN[name].templates if name in KNOWN and KNOWN[name].templates else _OTHER


def asked(task: str) -> tuple[str, tuple[Part, ...]] | None:
    """The known set that a task is about, and what of it; None if the task is another's.

    `cifar100` is all that is asked of the set, `linear_probe_cifar100` one part of it.
    """
    for name, known in KNOWN.items():
        if task == name:
            return name, known.parts
        for part in known.parts:
            if task == f"{part}_{name}":
                return name, (part,)
    return None
