"""Puts an identity's mesh together: neutral vertices, expression shapes, regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steadyface.studio import layout, organs, relief
from steadyface.studio.anatomy import EYE_CENTRE, Shape
from steadyface.studio.expressions import expression_shapes
from steadyface.studio.fields import bump
from steadyface.studio.layout import Floats, Ints
from steadyface.studio.surface import head_grid, lids_closed, seat_lids

LID_ROWS_AROUND = 9
"""Rows above and below the eye slit that must keep off the eyeball."""


@dataclass(frozen=True)
class Hair:
    """thickness: mm above the scalp; hairline_shift: mm, positive = lower on the forehead."""

    thickness: float
    hairline_shift: float


@dataclass(frozen=True)
class Body:
    """An identity's geometry.

    Shapes: canonical (N, 3) neutral before the identity's warp, where landmarks lie as anatomy.py says, and
    without hair; neutral (N, 3) mm; shapes (E, N, 3) mm; eye_centres (2, 3) mm, right then left.
    """

    canonical: Floats
    neutral: Floats
    shapes: Floats
    eye_centres: Floats


def build_body(shape: Shape, hair: Hair, generator: np.random.Generator) -> Body:
    """Model the head of an identity (about a second)."""
    bare = seat_lids(head_grid(shape))
    lid_motion = (lids_closed(bare, shape) - bare).reshape(-1, 3)
    skin = relief.add_lips(relief.add_lid_crease(bare.copy()), shape)
    organ_parts = [organs.eyeball(-1.0), organs.eyeball(1.0), organs.mouth_cavity(skin.reshape(-1, 3))]
    organ_parts += [organs.ear(-1.0, shape), organs.ear(1.0, shape)]
    canonical = _join(skin, organ_parts)
    haired = _join(relief.add_hair(skin, hair.thickness, hair.hairline_shift), organ_parts)
    asymmetry = generator.normal(size=(6, 3)) * 0.22
    phase = generator.uniform(0.0, 2.0 * np.pi, size=6)

    def warp(points: Floats) -> Floats:
        return points + _identity_warp(points, shape) + _asymmetry(points, asymmetry, phase)

    centres = np.stack([EYE_CENTRE * [-1.0, 1.0, 1.0], EYE_CENTRE])
    return Body(canonical, warp(haired), expression_shapes(canonical, lid_motion), warp(centres))


def _join(grid: Floats, organ_parts: list[Floats]) -> Floats:
    return np.concatenate([grid.reshape(-1, 3), grid[0].mean(0, keepdims=True), *organ_parts])


def _identity_warp(points: Floats, shape: Shape) -> Floats:
    """Smooth change of proportions (mm); around each eye it is a plain shift, so that lids fit eyeballs."""
    x, y = points[..., 0], points[..., 1]
    warp = np.zeros_like(points)
    for side in (-1.0, 1.0):
        region = bump(points, (side * EYE_CENTRE[0], EYE_CENTRE[1], EYE_CENTRE[2] - 6.0), (30.0, 34.0, 44.0))
        warp[..., 0] += side * 0.9 * shape.eye_distance * np.minimum(2.2 * region, 1.0)
    mouth = bump(points, (0.0, 53.0, -95.0), (52.0, 38.0, 60.0))
    warp[..., 0] += 0.035 * shape.mouth_width * x * mouth
    below = np.clip(y - 6.0, 0.0, None)
    warp[..., 1] += 0.016 * shape.face_height * np.minimum(below**2 / (below + 12.0), 92.0)
    return warp


def _asymmetry(points: Floats, amplitude: Floats, phase: Floats) -> Floats:
    """A few waves of about 15 cm and half a millimetre: no face is its own mirror image."""
    directions = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0.5], [0.5, 0, 1], [0.3, 1, 0.7]])
    waves = np.sin(points @ (directions.T * 2.0 * np.pi / 150.0) + phase)
    return waves @ amplitude


def lid_vertices(side: float) -> tuple[Ints, Floats]:
    """Skin that must stay off an eyeball, and by how much.

    Returns:
        index (n,) vertices, clearance (n,) mm that each keeps from the eyeball's surface.
    """
    row = layout.EYE_SLIT_ROW
    inner, outer = sorted(side * corner for corner in layout.EYE_CORNERS_X)
    columns = layout.front_columns(inner - 3, outer + 3)
    rows = np.arange(row - LID_ROWS_AROUND, row + 4 + LID_ROWS_AROUND)
    clearance = np.where((rows == row + 1) | (rows == row + 2), 0.1, 1.0)
    index = rows[:, None] * layout.COLUMNS + columns
    return index.reshape(-1), np.repeat(clearance, len(columns))


def find_regions(canonical: Floats, shapes: Floats, shape: Shape) -> dict[str, Ints]:
    """Named vertex sets; ``rigid`` is forehead and nose bridge as far as no expression moves them.

    Args:
        canonical: (N, 3) mm, as in Body; shapes: (E, N, 3) mm; shape: the identity.
    """
    skin = canonical[layout.HEAD.vertices]
    x, y, z = skin.T
    side, front = np.abs(x), z < -45.0
    lower = np.repeat(relief.lower_side()[:, 0], layout.COLUMNS)
    row = np.repeat(np.arange(layout.ROWS), layout.COLUMNS) - layout.EYE_SLIT_ROW
    still = np.abs(shapes[:, layout.HEAD.vertices]).max(axis=(0, 2)) < 1e-9
    forehead = (y > -86.0) & (y < -60.0) & (side < 46.0)
    bridge = (y > -16.0) & (y < 6.0) & (side < 6.5) & (z < -88.0)
    masks = {
        "lips": (relief.lip_position(x, y, lower, shape) < 1.2) & (side < 28.0) & (z < -80.0),
        "lids": (row >= -4) & (row <= 6) & (side > 14.0) & (side < 48.0),
        "brows": (y > -44.0) & (y < -28.0) & (side > 6.0) & (side < 48.0),
        "nose": (y > -16.0) & (y < 34.0) & (side < 18.5) & (z < -94.0),
        "cheeks": (y > 2.0) & (y < 46.0) & (side > 24.0) & (side < 58.0),
        "jaw": (y > 64.0) & (y < 100.0) & (side < 50.0),
        "rigid": (forehead | bridge) & still,
    }
    return {name: np.nonzero(mask & front)[0] for name, mask in masks.items()}
