"""An identity's colours (linear RGB) and marks, and the noise its skin is mottled with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from steadyface.studio.layout import Floats

_SKIN_SRGB = np.array([[240, 204, 184], [225, 180, 154], [206, 154, 124], [172, 119, 90], [130, 84, 61], [92, 59, 44]])
_HAIR_SRGB = np.array([[24, 20, 18], [46, 33, 25], [76, 52, 36], [122, 88, 56], [168, 132, 84], [128, 62, 34]])
_IRIS_SRGB = np.array([[72, 44, 26], [104, 70, 40], [94, 98, 62], [78, 108, 132], [112, 128, 136]])

MELANIN: Floats = np.array([0.5, 0.8, 1.1])
"""Relative absorption of the skin's brown pigment, RGB."""
BLOOD: Floats = np.array([0.12, 1.0, 0.8])
"""Relative absorption of blood, RGB."""


def srgb_to_linear(colour: Floats) -> Floats:
    """8-bit sRGB to linear [0, 1] (IEC 61966-2-1)."""
    value = np.asarray(colour) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class Palette:
    """Colours are linear RGB (3,); the amounts run from 0 to about 1; hairline_shift is in mm."""

    skin: Floats
    lips: Floats
    hair: Floats
    iris: Floats
    melanin: float
    ruddiness: float
    freckles: float
    stubble: float
    brow_thickness: float
    hairline_shift: float
    hair_thickness: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Palette:
        """Skin from fair to dark; hair, iris, freckles and redness follow it as they do in people."""
        tone = generator.beta(1.3, 1.6)
        level = tone * (len(_SKIN_SRGB) - 1)
        skin_srgb = [np.interp(level, np.arange(len(_SKIN_SRGB)), _SKIN_SRGB[:, c]) for c in range(3)]
        skin = srgb_to_linear(np.array(skin_srgb) * generator.normal(1.0, 0.015, 3))
        lips = skin * np.exp(-(0.62 - 0.2 * tone) * BLOOD - 0.16 * MELANIN)
        fair = tone < 0.4
        hair = srgb_to_linear(_HAIR_SRGB[generator.choice(6 if fair else 3 if tone < 0.6 else 1)])
        iris = srgb_to_linear(_IRIS_SRGB[generator.choice(5 if fair else 2)])
        stubble = generator.uniform(0.25, 0.9) if generator.random() < 0.55 else 0.0
        return cls(
            skin,
            lips,
            hair,
            iris,
            melanin=tone,
            ruddiness=generator.uniform(0.7, 1.2) * (1.0 - 0.45 * tone),
            freckles=generator.uniform(0.25, 1.0) * (1.0 - 0.5 * tone),
            stubble=stubble,
            brow_thickness=generator.uniform(0.8, 1.25),
            hairline_shift=generator.uniform(-5.0, 6.0),
            hair_thickness=generator.uniform(4.0, 9.0),
        )


class Noise:
    """Smooth random fields over space, the same for the same generator."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._volume = generator.normal(size=(48, 48, 48))
        self._turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]

    def __call__(self, points: Floats, scale_mm: float, smooth: bool = False) -> Floats:
        """About unit variance, one lattice cell every ``scale_mm``: points (..., 3) -> (...).

        Smooth noise has no creases along the lattice (K. Perlin's fade before linear interpolation).
        """
        cells = np.moveaxis(points @ (self._turn / scale_mm), -1, 0)
        if smooth:
            whole = np.floor(cells)
            part = cells - whole
            cells = whole + part * part * (3.0 - 2.0 * part)
        return 1.7 * map_coordinates(self._volume, cells, order=1, mode="grid-wrap", output=np.float32)
