"""The colours of the four classes stay apart for people who see fewer colours, and words on them can be read.

Simulated after Machado, Oliveira and Fernandes, IEEE Trans. Vis. Comput. Graph. 15 (2009) 1291, table 1, severity 1; differences in CIELAB (CIE
1976, D65), where about 2.3 can just be seen side by side; contrast as WCAG 2.2 has it.
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dongne import web

VISIONS = {
    "trichromacy": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ @ np.ones(3)
LEAST_DIFFERENCE = 25.0
CSS = (Path(web.__file__).parent / "static" / "line-colours.css").read_text(encoding="utf-8")
COLOURS = {name: (fill, ink) for name, fill, ink in re.findall(r"--(c\d|c-gone): (#\w+); --\1-ink: (#\w+);", CSS)}


def linear(text: str) -> np.ndarray:
    digits = text[1:] if len(text) == 7 else "".join(2 * c for c in text[1:])
    value = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ rgb / WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    light = sorted(float(TO_XYZ[1] @ rgb) for rgb in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def test_the_colours_are_found() -> None:
    assert list(COLOURS) == ["c0", "c1", "c2", "c3", "c-gone"]


@pytest.mark.parametrize("vision", VISIONS)
def test_any_two_classes_are_far_apart_in_every_kind_of_vision(vision: str) -> None:
    seen = [lab(np.clip(np.array(VISIONS[vision]) @ linear(fill), 0, 1)) for fill, _ in COLOURS.values()]
    differences = [float(np.linalg.norm(one - other)) for one, other in combinations(seen[:4], 2)]
    assert min(differences) >= LEAST_DIFFERENCE, differences


@pytest.mark.parametrize("vision", VISIONS)
def test_fuller_is_darker_in_every_kind_of_vision(vision: str) -> None:
    seen = [lab(np.clip(np.array(VISIONS[vision]) @ linear(fill), 0, 1))[0] for fill, _ in COLOURS.values()][:4]
    assert seen == sorted(seen, reverse=True)


def test_the_simulation_takes_red_and_green_together() -> None:
    red, green = (np.clip(np.array(VISIONS["deuteranopia"]) @ linear(one), 0, 1) for one in ("#b35900", "#6b7a00"))
    assert np.linalg.norm(lab(red) - lab(green)) < 15 < np.linalg.norm(lab(linear("#b35900")) - lab(linear("#6b7a00")))


@pytest.mark.parametrize("name", COLOURS)
def test_words_on_each_colour_can_be_read(name: str) -> None:
    fill, ink = COLOURS[name]
    assert contrast(linear(fill), linear(ink)) >= 4.5


def test_grey_is_no_class() -> None:
    a, b = lab(linear(COLOURS["c-gone"][0]))[1:]
    assert np.hypot(a, b) < 5
