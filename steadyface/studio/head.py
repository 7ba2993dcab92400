"""The head's shape: the signed distance of solids blended into one another, symmetric in x.

Distances are bounds in mm, negative inside; blends follow I. Quilez, "Smooth minimum" (2013).
The surface is found by surface.py; lips are modelled there, along the rows of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steadyface.studio.anatomy import EYE_CENTRE, EYE_RADIUS, LID_THICKNESS, Shape
from steadyface.studio.layout import Floats

Point = Sequence[float]


def _length(vectors: Floats) -> Floats:
    return np.sqrt(np.einsum("...i,...i->...", vectors, vectors))


def ellipsoid(points: Floats, centre: Point, radii: Point) -> Floats:
    """Approximate signed distance of an ellipsoid: points (..., 3) -> (...)."""
    offset = points - np.asarray(centre)
    scaled = _length(offset / np.asarray(radii))
    gradient = _length(offset / np.square(radii))
    return scaled * (scaled - 1.0) / np.maximum(gradient, 1e-9)


def capsule(points: Floats, start: Point, end: Point, start_radius: float, end_radius: float) -> Floats:
    """Signed distance bound of a segment whose radius changes along it: points (..., 3) -> (...)."""
    a, axis = np.asarray(start), np.asarray(end) - np.asarray(start)
    along = np.clip((points - a) @ axis / (axis @ axis), 0.0, 1.0)
    radius = start_radius + (end_radius - start_radius) * along
    return _length(points - a - along[..., None] * axis) - radius


def blend(first: Floats, second: Floats, width: float) -> Floats:
    """Union of two solids with a fillet of about ``width`` mm."""
    overlap = np.maximum(width - np.abs(first - second), 0.0) / width
    return np.minimum(first, second) - overlap**2 * width / 4.0


def carve(solid: Floats, tool: Floats, width: float) -> Floats:
    """The solid without the tool, its edge rounded by about ``width`` mm."""
    return -blend(-solid, tool, width)


def head_distance(points: Floats, shape: Shape) -> Floats:
    """Signed distance of the whole head without lips and ears: points (..., 3) in mm -> (...)."""
    paired = points.copy()
    paired[..., 0] = np.sqrt(points[..., 0] ** 2 + 12.0)  # rounded, or a crease would run down the middle
    solid = _skull(points, shape)
    solid = blend(solid, _jaw(points, paired, shape), 22.0)
    solid = _cheeks(solid, paired, shape)
    solid = _eye_region(solid, paired, shape)
    solid = _nose(solid, points, paired, shape)
    return blend(solid, _neck(points, shape), 40.0)


def _skull(p: Floats, s: Shape) -> Floats:
    cranium = ellipsoid(p, (0, -42, 4), (74 + s.face_width, 87, 94))
    forehead = ellipsoid(p, (0, -50, -38), (58 + s.face_width, 50, 57 - 1.5 * s.forehead_slope))
    maxilla = ellipsoid(p, (0, 16, -38), (57 + 1.5 * s.face_width, 80, 61))
    return blend(blend(cranium, forehead, 30.0), maxilla, 30.0)


def _jaw(p: Floats, paired: Floats, s: Shape) -> Floats:
    width = 42 + 2.5 * s.jaw_width
    chin_y = 83 + 1.5 * s.chin_height
    ramus = capsule(paired, (width + 6, 6, -14), (width + 1, 52, -22), 15, 15)
    body = capsule(paired, (width + 1, 52, -22), (15 + 1.5 * s.jaw_width, chin_y - 1, -78), 15, 14)
    chin = ellipsoid(p, (0, chin_y, -86 - 1.5 * s.chin_depth), (21 + 1.5 * s.jaw_width, 14, 17))
    muzzle = ellipsoid(p, (0, 50, -72), (38, 32, 33))
    return blend(blend(blend(ramus, body, 16.0), chin, 20.0), muzzle, 26.0)


def _cheeks(solid: Floats, p: Floats, s: Shape) -> Floats:
    bone = ellipsoid(p, (45, 6, -66 - 1.2 * s.cheekbone), (17, 12, 15 + s.cheekbone))
    arch = capsule(p, (52, 4, -56), (60 + s.face_width, -1, -18), 8, 8)
    fullness = 18 + 1.5 * s.cheek_fullness
    fat = ellipsoid(p, (40, 34, -58), (fullness, 28, fullness + 6))
    return blend(blend(blend(solid, bone, 20.0), arch, 22.0), fat, 30.0)


def _eye_region(solid: Floats, p: Floats, s: Shape) -> Floats:
    ridge = capsule(p, (9, -33, -88 - s.brow_ridge), (43, -34, -73), 9 + 0.5 * s.brow_ridge, 8)
    solid = blend(solid, ridge, 14.0)
    socket = ellipsoid(p, (31, -13, -99), (19, 11.5, 17))
    solid = carve(solid, socket, 14.0)
    lids = _length(p - EYE_CENTRE) - (EYE_RADIUS + LID_THICKNESS)
    return blend(solid, lids, 5.0)


def _nose(solid: Floats, p: Floats, paired: Floats, s: Shape) -> Floats:
    tip_y, tip_z = 20 + 1.3 * s.nose_length, -112 - 1.5 * s.nose_depth
    wide = 1 + 0.07 * s.nose_width
    bridge = capsule(p, (0, -18, -86 - 0.8 * s.nose_bridge), (0, tip_y - 4, tip_z + 1), 7.0, 7.5 * wide)
    flank = capsule(paired, (6, -8, -84), (9 * wide, tip_y, -98), 6, 8)
    tip = ellipsoid(p, (0, tip_y, tip_z), (10 * wide, 8.5, 9.5))
    wing = ellipsoid(paired, (11.5 * wide, tip_y + 4.5, -102), (6.2, 7.0, 9))
    columella = capsule(p, (0, tip_y + 5.5, tip_z + 3), (0, tip_y + 9, -101), 4.0, 4.5)
    nose = blend(blend(blend(bridge, flank, 10.0), tip, 8.0), wing, 5.0)
    nose = blend(nose, columella, 5.0)
    return blend(solid, nose, 7.0)


def _neck(p: Floats, s: Shape) -> Floats:
    return capsule(p, (0, 46, 24), (0, 200, 24), 50 + 2 * s.neck_width, 54 + 2 * s.neck_width)
