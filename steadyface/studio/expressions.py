"""Expression shapes under ARKit's names, as displacement fields over the neutral mesh.

Left and Right are the subject's own; +x is the subject's left. Amplitudes are mm as on people. Every field
has compact support, so what a shape does not touch does not move at all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from steadyface.studio import layout
from steadyface.studio.anatomy import EYE_CENTRE, JAW_HINGE, JAW_OPENING_RAD
from steadyface.studio.fields import SkinFields, mirror_name
from steadyface.studio.layout import Floats
from steadyface.studio.organs import cavity_motion

Field = Callable[[SkinFields], Floats]

_EYE_TURNS: dict[str, tuple[float, float]] = {  # of the left eye: degrees to the subject's left, downwards
    "eyeLookUpLeft": (0.0, -24.0),
    "eyeLookDownLeft": (0.0, 26.0),
    "eyeLookInLeft": (-28.0, 0.0),
    "eyeLookOutLeft": (30.0, 0.0),
}


def _move(share: Floats, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Floats:
    """Displacement (H, 3): the share of a vector in mm."""
    return share[:, None] * np.array([x, y, z])


def hinge_motion(points: Floats) -> Floats:
    """What a full opening turn of the jaw would do to points (..., 3): (..., 3) mm."""
    y, z = points[..., 1] - JAW_HINGE[1], points[..., 2] - JAW_HINGE[2]
    cosine, sine = np.cos(JAW_OPENING_RAD), np.sin(JAW_OPENING_RAD)
    return np.stack([0.0 * y, y * (cosine - 1.0) - z * sine, y * sine + z * (cosine - 1.0)], axis=-1)


def _jaw_open(f: SkinFields) -> Floats:
    corners = f.at((26, 54, -92), (16, 16, 40)) - f.at((-26, 54, -92), (16, 16, 40))
    return f.jaw[:, None] * hinge_motion(f.points) + _move(corners, x=-2.5)


def _mouth_close(f: SkinFields) -> Floats:
    zone = np.clip(1.5 * f.at((0, 52, -100), (46, 26, 60)), 0.0, 1.0)
    share = zone * f.opening * np.where(f.lower_lip > 0.5, -0.62, 0.38)
    return share[:, None] * hinge_motion(f.points)


def _funnel(f: SkinFields) -> Floats:
    ring = f.at((0, 53, -98), (42, 30, 45))
    lips = f.at((0, 53, -104), (26, 22, 30))
    sideways = np.stack([-0.26 * f.points[:, 0] * ring, 0 * ring, -6.0 * ring], axis=-1)
    return sideways + _move(lips * (1.0 - f.lower_lip), y=-3.5) + _move(lips * f.lower_lip, y=5.0)


def _pucker(f: SkinFields) -> Floats:
    ring = f.at((0, 53, -98), (46, 30, 45))
    return np.stack([-0.44 * f.points[:, 0] * ring, 0 * ring, -7.5 * ring], axis=-1)


def _puff(f: SkinFields) -> Floats:
    left, right = f.at((42, 46, -72), (32, 34, 42)), f.at((-42, 46, -72), (32, 34, 42))
    lips = _move(f.at((0, 52, -103), (30, 20, 30)), z=-1.5)
    return _move(left, 7.0, 0.0, -6.0) + _move(right, -7.0, 0.0, -6.0) + lips


_MIDDLE: dict[str, Field] = {
    "jawOpen": _jaw_open,
    "jawForward": lambda f: _move(f.jaw, z=-5.5),
    "jawLeft": lambda f: _move(f.jaw, x=7.0, y=0.5),
    "jawRight": lambda f: _move(f.jaw, x=-7.0, y=0.5),
    "mouthClose": _mouth_close,
    "mouthFunnel": _funnel,
    "mouthPucker": _pucker,
    "mouthLeft": lambda f: _move(f.at((2, 53, -98), (46, 34, 50)), x=8.5, y=-1.0),
    "mouthRight": lambda f: _move(f.at((-2, 53, -98), (46, 34, 50)), x=-8.5, y=-1.0),
    "mouthRollLower": lambda f: _move(f.at((0, 56, -104), (29, 11, 30)) * f.lower_lip, y=-3.2, z=4.0),
    "mouthRollUpper": lambda f: _move(f.at((0, 47, -106), (29, 11, 30)) * (1.0 - f.lower_lip), y=2.2, z=3.6),
    "mouthShrugLower": lambda f: _move(f.at((0, 68, -98), (38, 36, 45)), y=-5.0, z=-2.0),
    "mouthShrugUpper": lambda f: _move(f.at((0, 46, -106), (30, 16, 30)) * (1.0 - f.lower_lip), y=-3.0, z=-2.0),
    "browInnerUp": lambda f: _move(
        np.maximum(f.at((13, -41, -90), (25, 25, 40)), f.at((-13, -41, -90), (25, 25, 40))), y=-7.0, z=0.8
    ),
    "cheekPuff": _puff,
}

_LEFT: dict[str, Field] = {
    "mouthSmileLeft": lambda f: (
        _move(f.at((26, 53, -90), (30, 30, 48)), 6.5, -6.0, 4.5)
        + _move(f.at((40, 20, -74), (27, 27, 40)), 1.5, -3.5, -2.5)
    ),
    "mouthFrownLeft": lambda f: _move(f.at((26, 55, -90), (26, 26, 45)), 2.0, 7.0, 1.5),
    "mouthDimpleLeft": lambda f: _move(f.at((27, 53, -90), (20, 20, 40)), 4.0, -0.5, 4.0),
    "mouthStretchLeft": lambda f: _move(f.at((27, 55, -88), (32, 30, 50)), 8.0, 2.5, 4.0),
    "mouthPressLeft": lambda f: (
        _move(f.at((14, 56, -104), (18, 9, 30)) * f.lower_lip, 0.0, -2.0, 2.0)
        + _move(f.at((14, 48, -105), (18, 9, 30)) * (1.0 - f.lower_lip), 0.0, 1.2, 2.0)
    ),
    "mouthLowerDownLeft": lambda f: _move(f.at((13, 60, -102), (21, 22, 32)) * f.lower_lip, 1.5, 7.5, 0.5),
    "mouthUpperUpLeft": lambda f: _move(f.at((13, 44, -104), (20, 24, 32)) * (1.0 - f.lower_lip), 1.0, -6.5, 0.5),
    "browDownLeft": lambda f: _move(f.at((18, -37, -86), (28, 20, 40)), -2.5, 5.5, -1.2),
    "browOuterUpLeft": lambda f: _move(f.at((37, -41, -76), (26, 25, 45)), 0.5, -6.5, 0.8),
    "cheekSquintLeft": lambda f: _move(f.at((38, 10, -76), (27, 22, 40)), 0.5, -4.5, -2.0),
    "noseSneerLeft": lambda f: (
        _move(f.at((13, 25, -102), (15, 20, 30)), 1.2, -4.5, 0.5)
        + _move(f.at((11, 6, -96), (9, 12, 25)), 0.5, -2.0, -0.8)
    ),
    "eyeSquintLeft": lambda f: _move(f.at((32, -5, -84), (21, 12, 30)), 0.0, -2.6, -0.4),
    "eyeWideLeft": lambda f: _move(f.at((32, -28, -84), (22, 14, 30)), 0.0, -2.2, 0.3),
}

_SIDED_ORDER = (*_LEFT, "eyeBlinkLeft", *_EYE_TURNS)
EXPRESSION_NAMES: tuple[str, ...] = (
    *_MIDDLE,
    *(sided for name in _SIDED_ORDER for sided in (name, mirror_name(name))),
)
"""The E names of the expression weights, in their order."""
_INDEX = {name: index for index, name in enumerate(EXPRESSION_NAMES)}


def expression_shapes(neutral: Floats, lid_motion: Floats) -> Floats:
    """Displacements of every expression shape at weight 1.

    Args:
        neutral: (N, 3) mm, the whole mesh before the identity's warp.
        lid_motion: (H, 3) mm, what closing both eyes does to the head chart.

    Returns:
        (E, N, 3) mm, in the order of EXPRESSION_NAMES.
    """
    shapes = np.zeros((len(EXPRESSION_NAMES), *neutral.shape))
    skin = layout.HEAD.vertices
    fields = SkinFields.of(neutral[skin])
    for name, field in _MIDDLE.items():
        shapes[_INDEX[name], skin] = field(fields)
    flipped = SkinFields(fields.points * [-1.0, 1.0, 1.0], fields.lower_lip, fields.opening, fields.jaw)
    for name, field in _LEFT.items():
        shapes[_INDEX[name], skin] = field(fields)
        shapes[_INDEX[mirror_name(name)], skin] = field(flipped) * [-1.0, 1.0, 1.0]
    _close_lids(shapes, fields.points, lid_motion)
    _turn_eyes(shapes, neutral)
    _move_cavity(shapes, neutral)
    return shapes


def _close_lids(shapes: Floats, points: Floats, lid_motion: Floats) -> None:
    for name, side in (("eyeBlinkLeft", 1.0), ("eyeBlinkRight", -1.0)):
        this_side = (side * points[:, 0:1] > 0) & (points[:, 2:] < -45.0)
        shapes[_INDEX[name], layout.HEAD.vertices] = lid_motion * this_side


def _turn_eyes(shapes: Floats, neutral: Floats) -> None:
    for name, (left_deg, down_deg) in _EYE_TURNS.items():
        for chart, side, sided in (
            (layout.LEFT_EYE, 1.0, name),
            (layout.RIGHT_EYE, -1.0, mirror_name(name)),
        ):
            offset = neutral[chart.vertices] - EYE_CENTRE * [side, 1.0, 1.0]
            azimuth, elevation = np.deg2rad(side * left_deg), np.deg2rad(down_deg)
            turn_y = np.array(
                [[np.cos(azimuth), 0, -np.sin(azimuth)], [0, 1, 0], [np.sin(azimuth), 0, np.cos(azimuth)]]
            )
            turn_x = np.array(
                [[1, 0, 0], [0, np.cos(elevation), -np.sin(elevation)], [0, np.sin(elevation), np.cos(elevation)]]
            )
            shapes[_INDEX[sided], chart.vertices] = offset @ (turn_y @ turn_x).T - offset


def _move_cavity(shapes: Floats, neutral: Floats) -> None:
    """The cavity's rim goes with the lips, its floor and the lower teeth with the jaw."""
    inside = layout.MOUTH.vertices
    jaw = np.zeros_like(shapes[:, inside])
    jaw[_INDEX["jawOpen"]] = hinge_motion(neutral[inside])
    for name, motion in (("jawForward", (0, 0, -5.5)), ("jawLeft", (7.0, 0, 0)), ("jawRight", (-7.0, 0, 0))):
        jaw[_INDEX[name]] = motion
    shapes[:, inside] = cavity_motion(shapes[:, layout.HEAD.vertices], jaw)


def effective_weights(weights: Tensor) -> Tensor:
    """Weights as the shapes take them, (B, E) -> (B, E).

    ``mouthClose`` acts as far as the jaw is open. A lid adds up what moves it (blink, gaze, squint, wide)
    and stops when it is shut.
    """
    columns = list(weights.unbind(1))
    close = _INDEX["mouthClose"]
    columns[close] = torch.minimum(columns[close], columns[_INDEX["jawOpen"]])
    for side in ("Left", "Right"):
        drive = (
            weights[:, _INDEX[f"eyeBlink{side}"]]
            + 0.38 * weights[:, _INDEX[f"eyeLookDown{side}"]]
            - 0.15 * weights[:, _INDEX[f"eyeLookUp{side}"]]
            + 0.28 * weights[:, _INDEX[f"eyeSquint{side}"]]
            - 0.26 * weights[:, _INDEX[f"eyeWide{side}"]]
        )
        columns[_INDEX[f"eyeBlink{side}"]] = drive.clamp(-0.35, 1.0)
    return torch.stack(columns, dim=1)
