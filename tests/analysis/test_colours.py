from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis import colours

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(colour: str, vision: str) -> np.ndarray:
    seen = np.clip(np.asarray(VISION[vision]) @ linear(colour), 0, 1)
    return TO_LAB @ np.cbrt(TO_LMS @ seen)


@pytest.mark.parametrize("vision", VISION)
def test_eight_experts_can_be_told_apart_by_every_eye(vision):
    seen = [oklab(colours.expert_colour(e), vision) for e in range(8)]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert nearest > 0.11  # the popular palette of Okabe and Ito has 0.02 to 0.12


@pytest.mark.parametrize("vision", VISION)
def test_experts_of_one_pattern_can_be_told_apart_by_every_eye(vision):
    seen = [oklab(colours.expert_colour(e), vision) for e in range(32)]
    nearest = min(
        np.linalg.norm(seen[a] - seen[b])
        for a, b in itertools.combinations(range(32), 2)
        if colours.expert_pattern(a) == colours.expert_pattern(b)
    )
    assert nearest > 0.08  # of all pairs it is 0.025


def test_experts_of_one_colour_have_different_patterns():
    for expert in range(32):
        same = range(expert, 128, 32)
        assert len({colours.expert_pattern(e) for e in same}) == len(same)
        assert len({colours.expert_colour(e) for e in same}) == 1


def test_experts_stand_out_from_light_and_dark_pages():
    for expert in range(32):
        assert colours.contrast(colours.expert_colour(expert), "#FFFFFF") > 1.85
        assert colours.contrast(colours.expert_colour(expert), "#0E1117") > 2.3


def test_thirty_two_colours_differ_and_labels_count_from_zero():
    assert len({colours.expert_colour(e) for e in range(32)}) == 32
    assert [colours.expert_label(e) for e in (0, 7)] == ["E0", "E7"]
    with pytest.raises(ValueError, match="-1"):
        colours.expert_colour(-1)


def test_text_on_an_expert_is_readable():
    for colour in (*colours.EXPERT_COLOURS, *colours.ROLE_COLOURS.values()):
        chosen = colours.text_colour(colour)
        assert colours.contrast(chosen, colour) >= 4.5
        other = "#FFFFFF" if chosen == "#000000" else "#000000"
        assert colours.contrast(chosen, colour) >= colours.contrast(other, colour)
