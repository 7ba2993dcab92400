"""Where things lie in an adult head (mm, head frame), and what an identity seed changes.

Sizes follow the means of craniofacial anthropometry (L. G. Farkas, Anthropometry of the Head and Face,
1994), rounded: pupils 62 mm apart, nasion to chin 118, nose 52 long and 34 wide, mouth 52 wide.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from steadyface.studio.layout import Floats

EYE_CENTRE: Floats = np.array([31.0, -14.0, -73.0])
"""Centre of the subject's left eyeball; the right one is its mirror image."""
EYE_RADIUS = 14.5
"""A little larger than life (12): a sphere of 12 mm would not reach the corners of a 26 mm lid opening."""
LID_THICKNESS = 1.1
JAW_HINGE: Floats = np.array([0.0, -2.0, -12.0])
"""A point of the axis (along x) that the jaw turns about."""
JAW_OPENING_RAD = 0.19
MOUTH_LINE_Y = 52.0
MOUTH_FRONT_Z = -105.0


@dataclass(frozen=True)
class Shape:
    """How an identity's bones and soft parts differ from the mean, in standard deviations (0 = mean)."""

    jaw_width: float = 0.0
    chin_height: float = 0.0
    chin_depth: float = 0.0
    cheekbone: float = 0.0
    cheek_fullness: float = 0.0
    brow_ridge: float = 0.0
    forehead_slope: float = 0.0
    nose_width: float = 0.0
    nose_length: float = 0.0
    nose_depth: float = 0.0
    nose_bridge: float = 0.0
    eye_distance: float = 0.0
    eye_opening: float = 0.0
    eye_slant: float = 0.0
    mouth_width: float = 0.0
    lip_fullness: float = 0.0
    face_width: float = 0.0
    face_height: float = 0.0
    neck_width: float = 0.0
    ear_size: float = 0.0

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Shape:
        """Independent normal draws, spread a little so that identities are told apart at a glance."""
        return cls(**{field.name: float(1.4 * np.clip(generator.normal(), -1.5, 1.5)) for field in fields(cls)})
