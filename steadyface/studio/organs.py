"""Eyeballs, mouth cavity with teeth, and ears: the charts beside the head's."""

from __future__ import annotations

import numpy as np

from steadyface.studio import layout
from steadyface.studio.anatomy import EYE_CENTRE, EYE_RADIUS, MOUTH_LINE_Y, Shape
from steadyface.studio.layout import Floats

IRIS_ANGLE_RAD = np.deg2rad(24.0)
CORNEA_BULGE = 0.7


def eyeball_angles(rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Azimuth and elevation (rad) at grid fractions in [0, 1], denser in front; both broadcast."""
    across, down = 2.0 * columns - 1.0, 2.0 * rows - 1.0
    azimuth = np.deg2rad(105.0) * (0.55 * across + 0.45 * across**3)
    elevation = np.deg2rad(80.0) * (0.6 * down + 0.4 * down**3)
    return azimuth, elevation


def eyeball_directions(rows: Floats, columns: Floats) -> Floats:
    """Unit vectors from the eyeball's centre: (..., 3); the straight look is (0, 0, -1)."""
    azimuth, elevation = eyeball_angles(rows, columns)
    level = np.cos(elevation)
    return np.stack(np.broadcast_arrays(np.sin(azimuth) * level, np.sin(elevation), -np.cos(azimuth) * level), axis=-1)


def eyeball(side: float) -> Floats:
    """The front of an eyeball with its cornea: (rows * columns, 3) mm; side +1 = the subject's left."""
    chart = layout.LEFT_EYE
    rows = np.linspace(0.0, 1.0, chart.rows)[:, None]
    direction = eyeball_directions(rows, np.linspace(0.0, 1.0, chart.columns)[None, :])
    angle = np.arccos(np.clip(-direction[..., 2], -1.0, 1.0))
    radius = EYE_RADIUS + CORNEA_BULGE * np.exp(-((angle / IRIS_ANGLE_RAD) ** 4))
    return (EYE_CENTRE * [side, 1.0, 1.0] + radius[..., None] * direction).reshape(-1, 3)


CAVITY_PROFILE: Floats = np.array(
    [  # row by row: height below the mouth line, depth behind the upper teeth, share of the jaw's motion
        [0.0, 0.0, 0.0],  # grown to the upper lip
        [-8.5, 0.5, 0.0],  # upper gum
        [1.2, 1.0, 0.0],  # upper teeth's edge
        [-2.0, 6.0, 0.0],
        [-8.0, 20.0, 0.1],  # palate
        [0.0, 42.0, 0.4],  # throat
        [9.0, 26.0, 0.9],  # tongue
        [10.0, 8.0, 1.0],
        [3.2, 2.6, 1.0],  # lower teeth's edge
        [12.0, 2.2, 1.0],  # lower gum
        [0.0, 0.0, 1.0],  # grown to the lower lip
    ]
)
TEETH_Z = -97.5


def _cavity_openness() -> Floats:
    """(1, columns, 1) 1 in the middle of the mouth, 0 at its corners, where roof and floor meet."""
    across = np.linspace(-1.0, 1.0, layout.MOUTH.columns)
    return (1.0 - across**6)[None, :, None]


def _rim(head: Floats) -> tuple[Floats, Floats]:
    """What the cavity is grown to: values of the head chart (..., H, C) behind the upper and the lower lip.

    Returns:
        two arrays (..., columns, C), along the mouth slit from corner to corner.
    """
    slit = layout.front_columns(-layout.MOUTH_CORNER_X, layout.MOUTH_CORNER_X)
    place = np.linspace(0.0, len(slit) - 1.0, layout.MOUTH.columns)
    between = np.clip(1.0 - np.abs(place[:, None] - np.arange(len(slit))), 0.0, None)
    rows = (layout.MOUTH_SLIT_ROW + 1, layout.MOUTH_SLIT_ROW + 2)
    upper, lower = (between @ head[..., row * layout.COLUMNS + slit, :] for row in rows)
    return upper, lower


def _grow_to_rim(inner: Floats, head: Floats) -> Floats:
    """Join values of the cavity (..., rows, columns, C) to those of the head chart along its rim."""
    upper, lower = _rim(head)
    middle = ((upper + lower) / 2.0)[..., None, :, :]
    corners = middle[..., :1, :] + np.linspace(0.0, 1.0, layout.MOUTH.columns)[:, None] * (
        middle[..., -1:, :] - middle[..., :1, :]
    )
    joined = corners + _cavity_openness() * (inner - corners)
    joined[..., 0, :, :], joined[..., -1, :, :] = upper, lower
    return joined


def mouth_cavity(head: Floats) -> Floats:
    """The inside of the mouth, (rows * columns, 3) mm: a bag grown to the lips' inner sides.

    Args:
        head: (H, 3) mm, the neutral head chart.
    """
    across = np.linspace(-1.0, 1.0, layout.MOUTH.columns)[None, :]
    height, depth = CAVITY_PROFILE[:, 0:1], CAVITY_PROFILE[:, 1:2]
    x = across * 28.0 * (1.0 - 0.005 * depth)
    z = TEETH_Z + depth + 20.0 * across**2 * np.clip(1.0 - depth / 40.0, 0.0, 1.0)
    inner = np.stack(np.broadcast_arrays(x, MOUTH_LINE_Y + height, z), axis=-1)
    return _grow_to_rim(inner, head).reshape(-1, 3)


def cavity_motion(head_motion: Floats, jaw_motion: Floats) -> Floats:
    """How the cavity moves with lips and jaw.

    Args:
        head_motion: (E, H, 3) mm, of the head chart.
        jaw_motion: (E, rows * columns, 3) mm, what full share in the jaw's motion would do to the cavity.

    Returns:
        (E, rows * columns, 3) mm.
    """
    grid = jaw_motion.reshape(-1, layout.MOUTH.rows, layout.MOUTH.columns, 3)
    return _grow_to_rim(CAVITY_PROFILE[:, None, 2:3] * grid, head_motion).reshape(jaw_motion.shape)


EAR_CENTRE: Floats = np.array([75.0, 0.0, 10.0])


def ear(side: float, shape: Shape) -> Floats:
    """An ear as rings around its concha: (rows * columns, 3) mm; side +1 = the subject's left."""
    chart = layout.LEFT_EAR
    turn = np.linspace(0.0, 2.0 * np.pi, chart.columns, endpoint=False)[None, :]
    if side > 0:
        turn = np.pi - turn  # columns still grow to the right of the picture, so the triangles face outwards
    radius = np.array([0.02, 0.38, 0.58, 0.76, 0.93, 1.0, 0.72])[:, None]
    relief = np.array([-5.0, -3.5, 2.0, 0.2, 3.2, 0.0, -9.0])[:, None]
    size = 1.0 + 0.04 * shape.ear_size
    lower = np.clip(np.sin(turn), 0.0, 1.0)
    back = radius * np.cos(turn) * (16.5 - 5.0 * lower) * size
    down = radius * np.sin(turn) * 30.0 * size
    flare = np.deg2rad(28.0)
    front = np.clip(-np.cos(turn), 0.0, 1.0) * radius**2
    out = relief * (1.0 - 0.5 * lower * (radius > 0.5)) - 3.0 * front + (back + 14.0) * np.sin(flare)
    lean = 0.18 * down
    x = side * (EAR_CENTRE[0] - 4.0 + out)
    y = EAR_CENTRE[1] + down
    z = EAR_CENTRE[2] + back * np.cos(flare) - lean
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3)
