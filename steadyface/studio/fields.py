"""Coordinates and weights that the expression shapes are written in, over the neutral mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steadyface.studio import layout
from steadyface.studio.layout import Floats
from steadyface.studio.relief import lower_side
from steadyface.studio.surface import mouth_line_y, smoothstep


def bump(points: Floats, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Floats:
    """1 at the centre, smoothly 0 on and outside the ellipsoid: points (..., 3) mm -> (...)."""
    squared = np.square((points - np.asarray(centre)) / np.asarray(radii)).sum(-1)
    return np.clip(1.0 - squared, 0.0, None) ** 2


@dataclass(frozen=True)
class SkinFields:
    """Per vertex of the head chart (H vertices): where it is and to which lip and jaw it belongs.

    Shapes: points (H, 3) mm neutral; lower_lip (H,) 0..1, a step across the mouth slit that fades into a
    ramp beyond the corners; opening (H,) 0..1, how far the slit opens at this x; jaw (H,) share of the
    jaw's motion.
    """

    points: Floats
    lower_lip: Floats
    opening: Floats
    jaw: Floats

    @classmethod
    def of(cls, points: Floats) -> SkinFields:
        """Fields of the neutral head chart (H, 3), row by row."""
        x, y, z = points.T
        below = np.repeat(lower_side()[:, 0], layout.COLUMNS)
        from_line = y - mouth_line_y(np.clip(x, -layout.MOUTH_CORNER_X, layout.MOUTH_CORNER_X))
        opening = np.clip(1.0 - (x / layout.MOUTH_CORNER_X) ** 2, 0.0, 1.0) ** 0.72 * (z < 0.0)
        lip_ramp, jaw_ramp = smoothstep(from_line, -12.0, 12.0), smoothstep(from_line, -30.0, 34.0)
        lower_lip = lip_ramp + opening * (below - lip_ramp)
        throat = 1.0 - smoothstep(y + 0.35 * (z + 60.0), 96.0, 124.0)
        behind = 1.0 - smoothstep(z, -34.0, 12.0)
        jaw = (jaw_ramp + opening * (below - jaw_ramp)) * throat * behind
        return cls(points, lower_lip, opening, jaw)

    def at(self, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Floats:
        """``bump`` over the vertices: (H,)."""
        return bump(self.points, centre, radii)


def mirror_name(name: str) -> str:
    """The same shape on the other side: mouthSmileLeft -> mouthSmileRight."""
    return name.replace("Left", "Right")
