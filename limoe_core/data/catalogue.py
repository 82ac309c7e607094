"""Data sets that models are commonly compared on, with their tasks and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Part = Literal["zero_shot", "linear_probe", "retrieval"]


@dataclass(frozen=True)
class KnownSet:
    """Evaluation settings of a TFDS data set."""

    splits: tuple[str, ...]
    """Possible names of its test split; the first that exists is used."""
    parts: tuple[Part, ...]
    """Tasks: a set with labels is classified, one with captions is searched."""
    templates: tuple[str, ...] = ()
    """Prompt templates of the ensemble, each with a place for the class name."""
    by_hand: str = ""
    """Files to fetch by hand, as the end of a sentence; "{downloads}" is the folder."""


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
    """Prompt templates of a data set, known or not."""
    if name == "emoji":
        return _EMOJI
    return KNOWN[name].templates if name in KNOWN and KNOWN[name].templates else _OTHER


def asked(task: str) -> tuple[str, tuple[Part, ...]] | None:
    """The known set and the tasks that a task's name stands for; None if it names no set.

    `cifar100` stands for all tasks of the set, `linear_probe_cifar100` for one of them.
    """
    for name, known in KNOWN.items():
        if task == name:
            return name, known.parts
        for part in known.parts:
            if task == f"{part}_{name}":
                return name, (part,)
    return None
