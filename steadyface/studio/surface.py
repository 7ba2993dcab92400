"""Lays the grid of the head chart onto the head's shape, lid margins and lip lines on rows of the grid.

A row of the face is a height, bent around the eye slit and the mouth slit. A column is a ray in plan view:
parallel to the line of sight on the front of the face, so that x is exact there, then a fan around the
sides, then parallel again at the back. The crown's rows fan upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steadyface.studio import layout
from steadyface.studio.anatomy import (
    EYE_CENTRE,
    EYE_RADIUS,
    LID_THICKNESS,
    MOUTH_LINE_Y,
    Shape,
)
from steadyface.studio.head import head_distance
from steadyface.studio.layout import Floats

FAN_PIVOT_Z = -4.0
CROWN_PIVOT_Y = -62.0
FARTHEST = 190.0


@dataclass(frozen=True)
class Rays:
    """Rays that look outwards: origin and unit direction, both (..., 3)."""

    origin: Floats
    direction: Floats


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, a cubic between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def column_plan() -> tuple[Floats, Floats]:
    """Nominal pivot x (mm) and azimuth (rad, 0 = front, positive to +x) of the columns: (COLUMNS,) each."""
    step = np.arange(1, layout.FAN_COLUMNS + 1) / (layout.FAN_COLUMNS + 1)
    fan = np.pi * (0.35 * step + 0.65 * step**2)
    back, edge = layout.BACK_COLUMNS_X, np.full(layout.FAN_COLUMNS, 50.0)
    x = np.concatenate([[0.0], -back, -edge, layout.FRONT_COLUMNS_X, edge, back[::-1]])
    flat = np.full(len(back), np.pi)
    azimuth = np.concatenate([[np.pi], -flat, -fan[::-1], 0.0 * layout.FRONT_COLUMNS_X, fan, flat])
    return x, azimuth


def _eye_line_y(across: Floats, shape: Shape) -> Floats:
    """Height of the line from the inner (-1) to the outer (1) corner of the eye."""
    return EYE_CENTRE[1] + 0.3 - (1.0 + 0.7 * shape.eye_slant) * across


def lid_margins_y(across: Floats, closure: float, shape: Shape) -> tuple[Floats, Floats]:
    """Heights of the upper and the lower lid's margin, from the inner (-1) to the outer (1) corner.

    Args:
        closure: 0 = neutral, 1 = closed: the upper margin comes down onto the lower, overlapping by 0.3 mm.
    """
    line, arch = _eye_line_y(across, shape), np.clip(1.0 - across**2, 0.0, None)
    opening = 1.0 + 0.08 * shape.eye_opening
    upper = line - 5.6 * opening * arch**0.8 * (1.0 - 0.18 * across)
    lower = line + 4.6 * opening * arch**0.9 * (1.0 + 0.22 * across)
    meeting = line + 3.4 * arch**0.9 * (1.0 + 0.15 * across)
    return upper + closure * (meeting + 0.3 * arch - upper), lower + closure * (meeting - lower)


def mouth_line_y(x: Floats) -> Floats:
    """Height of the line where the lips meet."""
    across = x / layout.MOUTH_CORNER_X
    return MOUTH_LINE_Y + 1.2 * across**2 - 0.9 * np.cos(2.2 * np.pi * across) * np.exp(-((across / 0.5) ** 2))


def row_heights(x: Floats, closure: float, shape: Shape) -> Floats:
    """Height of every face row at every x: (COLUMNS,) -> (face rows, COLUMNS) mm; closure 1 = lids shut."""
    nominal = np.repeat(layout.FACE_ROWS_Y[:, None], len(x), axis=1)
    heights = nominal + _eye_bend(nominal, x, closure, shape)
    return heights + _mouth_bend(nominal, x)


def _eye_bend(nominal: Floats, x: Floats, closure: float, shape: Shape) -> Floats:
    """Offset that takes the slit's margin rows onto the lid curves, fading above and below."""
    inner, outer = layout.EYE_CORNERS_X
    across = (np.abs(x) - (inner + outer) / 2) / ((outer - inner) / 2)
    beyond = np.clip(np.abs(across) - 1.0, 0.0, None) * (outer - inner) / 2
    held = np.clip(across, -1.0, 1.0)
    first = layout.EYE_SLIT_ROW - layout.CROWN_ROWS
    fade = 1.0 - smoothstep(beyond, 0.0, 10.0)
    offsets = lid_margins_y(held, closure, shape)
    margins = (nominal[first, 0], nominal[first + 3, 0])
    above = np.clip((margins[0] - nominal) / 13.0, 0.0, 1.0)
    below = np.clip((nominal - margins[1]) / 13.0, 0.0, 1.0)
    up, down = (offset - margin for offset, margin in zip(offsets, margins, strict=True))
    middle = np.clip((nominal - margins[0]) / (margins[1] - margins[0]), 0.0, 1.0)
    inside = up * (1.0 - middle) + down * middle
    return inside * fade * (1.0 - above) ** 1.5 * (1.0 - below) ** 1.5


def _mouth_bend(nominal: Floats, x: Floats) -> Floats:
    """Offset that takes the four rows of the mouth slit onto the line where the lips meet."""
    first = layout.MOUTH_SLIT_ROW - layout.CROWN_ROWS
    top, bottom = nominal[first, 0], nominal[first + 3, 0]
    beyond = np.clip(np.abs(x) - layout.MOUTH_CORNER_X, 0.0, None)
    held = np.clip(x, -layout.MOUTH_CORNER_X, layout.MOUTH_CORNER_X)
    fade = 1.0 - smoothstep(beyond, 0.0, 12.0)
    line = mouth_line_y(held)
    middle = np.clip((nominal - top) / (bottom - top), 0.0, 1.0)
    inside = (line - top) * (1.0 - middle) + (line - bottom) * middle
    above = np.clip((top - nominal) / 14.0, 0.0, 1.0)
    below = np.clip((nominal - bottom) / 14.0, 0.0, 1.0)
    return inside * fade * (1.0 - above) ** 2 * (1.0 - below) ** 2


def face_rays(heights: Floats) -> Rays:
    """Horizontal rays at the given heights (rows, COLUMNS)."""
    x, azimuth = column_plan()
    narrow = 1.0 - 0.42 * smoothstep(heights, 58.0, 112.0)
    shape = heights.shape
    origin = np.stack([x * narrow, heights, np.full(shape, FAN_PIVOT_Z)], axis=-1)
    direction = np.stack(np.broadcast_arrays(np.sin(azimuth), 0.0, -np.cos(azimuth)), axis=-1)
    return Rays(origin, np.broadcast_to(direction, origin.shape))


def crown_rays() -> Rays:
    """The fan of rays above the forehead: (CROWN_ROWS, COLUMNS)."""
    x, azimuth = column_plan()
    elevation = np.deg2rad(layout.CROWN_ELEVATIONS_DEG)[:, None]
    origin = np.stack(np.broadcast_arrays(x * np.cos(elevation), CROWN_PIVOT_Y, FAN_PIVOT_Z), axis=-1)
    level = np.cos(elevation)
    direction = np.stack(
        np.broadcast_arrays(np.sin(azimuth) * level, -np.sin(elevation), -np.cos(azimuth) * level), axis=-1
    )
    return Rays(origin, direction)


def cast(rays: Rays, shape: Shape) -> Floats:
    """The outermost points of the head on the rays of all columns: (rows, COLUMNS, 3).

    The head is symmetric, so the rays up to the middle column are cast and the points mirrored.
    """
    half = layout.COLUMNS // 2 + 1
    origin, direction = rays.origin[:, :half], rays.direction[:, :half]
    reach = np.full(origin.shape[:-1], FARTHEST)
    for _ in range(32):
        points = origin + reach[..., None] * direction
        reach = np.clip(reach - head_distance(points, shape), 0.0, FARTHEST)
    points = origin + reach[..., None] * direction
    return np.concatenate([points, points[:, half - 2 : 0 : -1] * [-1.0, 1.0, 1.0]], axis=1)


def settle(points: Floats, shape: Shape) -> Floats:
    """Move points (..., 3) that lie near the head's surface onto it, along the distance's gradient."""
    for _ in range(3):
        distance = head_distance(points, shape)
        gradient = np.stack([head_distance(points + 0.05 * axis, shape) - distance for axis in np.eye(3)], axis=-1)
        gradient /= np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)
        points = points - 0.9 * distance[..., None] * gradient
    return points


def head_grid(shape: Shape) -> Floats:
    """Vertices of the head chart without lip relief: (ROWS, COLUMNS, 3) mm."""
    x, _ = column_plan()
    face = cast(face_rays(row_heights(x, 0.0, shape)), shape)
    neck = cast(face_rays(np.repeat(layout.NECK_ROWS_Y[:, None], layout.COLUMNS, axis=1)), shape)
    share = np.linspace(0.0, 1.0, layout.SUBMENTAL_ROWS + 2)[1:-1, None, None]
    submental = settle(face[-1] * (1.0 - share) + neck[0] * share, shape)
    return relax(np.concatenate([cast(crown_rays(), shape), face, submental, neck]), shape)


def relax(grid: Floats, shape: Shape) -> Floats:
    """Spread the vertices under the jaw, where horizontal rays graze the surface."""
    first = layout.MOUTH_SLIT_ROW + 4
    lower = grid[first:]
    row: Floats = np.arange(len(lower), dtype=np.float64)[:, None]
    onset = smoothstep(row, 1.0, 6.0)
    centre = (1.0 - smoothstep(np.abs(lower[..., 0]), 8.0, 40.0)) * (1.0 - smoothstep(row, 6.0, 13.0))
    freedom = (onset * (1.0 - centre) * (row < len(lower) - 1))[..., None]
    for _ in range(2):
        for _ in range(10):
            padded = np.concatenate([lower[:1], lower, lower[-1:]])
            along_row = np.roll(lower, 1, 1) + np.roll(lower, -1, 1)
            mean = 0.42 * (padded[:-2] + padded[2:]) + 0.08 * along_row
            lower = lower + 0.7 * freedom * (mean - lower)
        lower = np.where(freedom > 0, settle(lower, shape), lower)
    return np.concatenate([grid[:first], lower])


def seat_lids(grid: Floats) -> Floats:
    """Bring the lid margins onto the eyeball, corners too, and lay the rows behind them under the lids."""
    for side in (-1.0, 1.0):
        _seat_margins(grid, side)
        centre = EYE_CENTRE * [side, 1.0, 1.0]
        inner, outer = sorted(side * corner for corner in layout.EYE_CORNERS_X)
        columns = layout.front_columns(inner + 1, outer - 1)
        row = layout.EYE_SLIT_ROW
        for tuck, margin in ((row + 1, row), (row + 2, row + 3)):
            offset = grid[margin, columns] - centre
            offset *= (EYE_RADIUS + 0.1) / np.linalg.norm(offset, axis=-1, keepdims=True)
            grid[tuck, columns] = centre + offset
    return grid


def _seat_margins(grid: Floats, side: float) -> None:
    """Push skin back until the margins stand the lid's thickness off the eyeball, fading around them."""
    centre = EYE_CENTRE * [side, 1.0, 1.0]
    inner, outer = sorted(side * corner for corner in layout.EYE_CORNERS_X)
    columns = layout.front_columns(inner, outer)
    row = layout.EYE_SLIT_ROW
    x_all = np.abs(grid[row, :, 0])
    front = grid[row, :, 2] < -40.0
    beyond = np.clip(np.abs(x_all - EYE_CENTRE[0]) - 13.0, 0.0, None)
    near = (front & (np.sign(grid[row, :, 0]) == side)) * np.exp(-((beyond / 4.5) ** 2))
    nearest = np.clip(np.arange(layout.COLUMNS), columns[0], columns[-1])
    for margin, rows in ((row, range(row - 8, row + 2)), (row + 3, range(row + 2, row + 12))):
        flat = grid[margin, columns, :2] - centre[:2]
        height = np.sqrt((EYE_RADIUS + LID_THICKNESS) ** 2 - (flat**2).sum(-1))
        push = np.zeros(layout.COLUMNS)
        push[columns] = centre[2] - height - grid[margin, columns, 2]
        push = push[nearest] * near
        for other in rows:
            fade = np.exp(-(((grid[other, :, 1] - grid[margin, :, 1]) / 5.0) ** 2))
            grid[other, :, 2] += push * fade


EYE_ROWS = slice(layout.EYE_SLIT_ROW - 11, layout.EYE_SLIT_ROW + 13)
"""Rows of the head chart that the lids can move."""


def lids_closed(grid: Floats, shape: Shape) -> Floats:
    """The head chart with both eyes closed, where ``grid`` (ROWS, COLUMNS, 3) has them open."""
    x, _ = column_plan()
    rows = slice(EYE_ROWS.start - layout.CROWN_ROWS, EYE_ROWS.stop - layout.CROWN_ROWS)
    closed = grid.copy()
    closed[EYE_ROWS] = cast(face_rays(row_heights(x, 1.0, shape)[rows]), shape)
    return seat_lids(closed)
