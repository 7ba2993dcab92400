"""Soft forms too small for the solids: lips, philtrum, lid crease, and the thickness of the hair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steadyface.studio import layout
from steadyface.studio.anatomy import EYE_CENTRE, MOUTH_LINE_Y, Shape
from steadyface.studio.layout import Floats
from steadyface.studio.surface import mouth_line_y, smoothstep

HAIRLINE_DEG: Floats = np.array([0, 18, 34, 46, 54, 62, 68, 79, 84, 100, 112, 125, 150, 180.0])
HAIRLINE_Y: Floats = np.array([-84, -85, -78, -64, -42, -16, 8, 8, -26, -28, 4, 48, 72, 78.0])
"""Height (mm) of the lower edge of the hair against the azimuth from the front."""


def upper_border_y(x: Floats, shape: Shape) -> Floats:
    """Height of the upper edge of the upper lip's red: a bow with a dip in the middle."""
    across = np.clip(np.abs(x) / layout.MOUTH_CORNER_X, 0.0, 1.0)
    bow = 7.4 * (1.0 - across**1.9) - 1.3 * np.exp(-((x / 2.6) ** 2))
    return mouth_line_y(x) - bow * (1.0 + 0.12 * shape.lip_fullness) * smoothstep(1.0 - across, -0.02, 0.2)


def lower_border_y(x: Floats, shape: Shape) -> Floats:
    """Height of the lower edge of the lower lip's red."""
    across = np.clip(np.abs(x) / layout.MOUTH_CORNER_X, 0.0, 1.0)
    return mouth_line_y(x) + 9.6 * (1.0 - across**2.3) * (1.0 + 0.12 * shape.lip_fullness)


def lip_position(x: Floats, y: Floats, lower: NDArray[np.bool_], shape: Shape) -> Floats:
    """How far across the lip's red a point lies: 0 = where the lips meet, 1 = the red's edge, 2 = as far again."""
    line = mouth_line_y(x)
    up = np.maximum(line - upper_border_y(x, shape), 0.8)
    down = np.maximum(lower_border_y(x, shape) - line, 0.8)
    return np.where(lower, (y - line) / down, (line - y) / up)


def lower_side() -> NDArray[np.bool_]:
    """(ROWS, 1) true for the rows at and below the lower lip's inner row."""
    return (np.arange(layout.ROWS) >= layout.MOUTH_SLIT_ROW + 2)[:, None]


def _lip_profile(across: Floats, lower: NDArray[np.bool_]) -> Floats:
    """How far (mm) the lips stand out against ``lip_position``."""
    upper = np.interp(across, [0, 0.12, 0.5, 0.85, 1.1, 1.5, 2.6], [-0.8, 1.4, 3.8, 3.3, 2.0, 0.8, 0])
    under = np.interp(across, [0, 0.12, 0.45, 0.75, 1.05, 1.45, 2.2], [-0.8, 1.8, 4.4, 3.4, 0.2, -1.4, 0])
    return np.where(lower, under, upper)


def add_lips(grid: Floats, shape: Shape) -> Floats:
    """Shape the lips on the rows around the mouth slit and fold its two inner rows behind them."""
    x, y = grid[..., 0], grid[..., 1]
    lower = lower_side()
    across = np.clip(np.abs(x) / layout.MOUTH_CORNER_X, 0.0, 1.3)
    front = (grid[..., 2] < -40.0) & (np.abs(y - MOUTH_LINE_Y) < 40.0)
    taper = np.clip(1.0 - across**2, 0.0, 1.0) ** 0.75
    fullness = 1.0 + 0.14 * shape.lip_fullness
    stand_out = _lip_profile(np.maximum(lip_position(x, y, lower, shape), 0.0), lower) * taper * fullness
    corner = 1.6 * np.exp(-(((np.abs(x) - 26.5) / 3.5) ** 2) - ((y - 53.0) / 3.0) ** 2)
    between = smoothstep(y, 31.0, 35.0) * (1.0 - smoothstep(y, 42.0, 46.0))
    philtrum = (0.9 * np.exp(-((x / 2.4) ** 2)) - 0.7 * np.exp(-(((np.abs(x) - 4.6) / 2.0) ** 2))) * between
    grid[..., 2] += np.where(front, corner + philtrum - stand_out, 0.0)
    return _fold_lips(grid)


def _fold_lips(grid: Floats) -> Floats:
    row = layout.MOUTH_SLIT_ROW
    columns = layout.front_columns(-layout.MOUTH_CORNER_X + 1, layout.MOUTH_CORNER_X - 1)
    depth = np.sqrt(np.clip(1.0 - (layout.FRONT_COLUMNS_X / layout.MOUTH_CORNER_X) ** 2, 0.0, 1.0))
    depth = depth[columns - layout.FIRST_FRONT_COLUMN]
    for inner, contact, sign in ((row + 1, row, -1.0), (row + 2, row + 3, 1.0)):
        grid[inner, columns] = grid[contact, columns]
        grid[inner, columns, 1] += sign * 2.2 * depth
        grid[inner, columns, 2] += 5.0 * depth
    return grid


def add_lid_crease(grid: Floats) -> Floats:
    """Cut the crease of the upper lid, about 8 mm above its margin."""
    across = (np.abs(grid[..., 0]) - EYE_CENTRE[0]) / 14.5
    crease = EYE_CENTRE[1] - 10.6 + 5.5 * np.clip(np.abs(across), 0, 1.5) ** 2
    groove = np.exp(-(((grid[..., 1] - crease) / 1.6) ** 2)) * (1.0 - smoothstep(np.abs(across), 0.6, 1.15))
    grid[..., 2] += np.where(grid[..., 2] < -50.0, 1.3 * groove, 0.0)
    return grid


def hair_coverage(points: Floats, hairline_shift: float, softness: float = 5.0) -> Floats:
    """How far a point of the head lies inside the hair, 0..1: points (..., 3) -> (...)."""
    azimuth = np.rad2deg(np.arctan2(np.abs(points[..., 0]), -points[..., 2]))
    line = np.interp(azimuth, HAIRLINE_DEG, HAIRLINE_Y)
    line = line + hairline_shift * np.clip(1.0 - azimuth / 60.0, 0.0, 1.0)
    return smoothstep(line - points[..., 1], 0.0, softness)


def add_hair(grid: Floats, thickness: float, hairline_shift: float) -> Floats:
    """Move the scalp outwards by the hair's thickness (mm)."""
    out = grid - np.array([0.0, -40.0, 0.0])
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    cover = hair_coverage(grid, hairline_shift, softness=30.0)
    lift = 0.35 + 0.65 * smoothstep(-grid[..., 1], -40.0, 70.0)
    return grid + (thickness * cover * lift)[..., None] * out
