"""The second generator's expressions, built from the geometry of the neutral head alone.

A jaw that turns about an axis through the ears and glides, lids that turn about the eyeballs, and displacements that
spread over the skin by heat: lips, corners, cheeks, brows, and random soft-tissue fields. No blend shape of the first
studio is used. Two parts of its mesh are rigged as they are there: the bag of the mouth is grown to the lips, and
lids keep off the eyeballs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steadyface.studio import layout
from steadyface.studio.build import lid_vertices
from steadyface.studio.organs import CORNEA_BULGE, cavity_motion
from steadyface.studio.other_world.mesh_fields import Floats, Ints, SkinMesh
from steadyface.studio.other_world.shapes import (
    SIDES,
    TISSUE_FIELDS,
    Sculptor,
    distance,
    jaw_share,
    smoothstep,
    tissue,
)

JAW_DROP_RAD, JAW_GLIDE_MM, JAW_SIDE_RAD = 0.145, 3.0, 0.07
CONTROLS: dict[str, tuple[float, float]] = {
    "jaw_drop": (0.0, 1.0), "jaw_side": (-1.0, 1.0), "lips_round": (-1.0, 1.0), "lips_press": (0.0, 1.0),
    "chin_raise": (0.0, 1.0), "brow_knit": (0.0, 1.0), "gaze_x_deg": (-30.0, 30.0), "gaze_y_deg": (-22.0, 22.0),
    **{f"{name}_{side}": limits for name, limits in {
        "smile": (0.0, 1.0), "corner_down": (0.0, 1.0), "lip_raise": (0.0, 1.0), "lip_drop": (0.0, 1.0),
        "cheek": (-1.0, 1.0), "brow": (-1.0, 1.0), "lids": (-0.25, 1.0), "nose_flare": (0.0, 1.0),
    }.items() for side in SIDES},
    **{f"tissue_{number}": (-1.0, 1.0) for number in range(TISSUE_FIELDS)},
}  # fmt: skip
"""The controls and what they can be set to; left and right are the subject's own."""
NAMES = tuple(CONTROLS)

_TURNED = {"jaw_drop", "jaw_side", "gaze_x_deg", "gaze_y_deg", "lids_left", "lids_right"}
_LID_ROWS = 9  # rows of the mesh that a lid draws along above its margin, and below


class _Lid(NamedTuple):
    """centre (3,) of the eyeball; vertices (n,) that turn, and (n,) by how much when shut, radians; keep_off: (m,)
    vertices and (m,) mm from the centre that they stay away."""

    centre: Floats
    vertices: Ints
    shut_rad: Floats
    guarded: Ints
    keep_off: Floats


class Deformation:
    """Meshes of one person under the second generator's controls.

    Args:
        neutral: (N, 3) mm, the face at rest, head frame.
        faces: (F, 3) of the studio's topology.
        regions: name -> vertices; ``rigid`` is what never moves.
        seed: of the soft-tissue fields; tissue_mm: their largest displacement.
    """

    def __init__(
        self, neutral: Floats, faces: Ints, regions: dict[str, Ints], seed: int = 0, tissue_mm: float = 1.3
    ) -> None:
        self.neutral = neutral
        head = layout.HEAD.count
        self._skin = neutral[:head]
        mesh = SkinMesh(self._skin, faces[(faces < head).all(1)])
        loose = smoothstep(distance(self._skin, neutral[regions["rigid"]]), 0.0, 9.0)
        self._jaw = jaw_share(mesh, self._skin) * loose
        shapes = Sculptor(mesh, self._skin, neutral, regions).shapes()
        shapes |= tissue(mesh, self._skin, np.random.default_rng([seed, 41]), tissue_mm)
        self._linear = [index for index, name in enumerate(NAMES) if name not in _TURNED]
        stacked = np.stack([shapes[NAMES[index]] for index in self._linear])
        self._shapes = (stacked * loose[:, None]).reshape(len(stacked), -1)
        ears = np.concatenate([neutral[chart.vertices] for chart in (layout.LEFT_EAR, layout.RIGHT_EAR)])
        self._hinge = ears.mean(0) + np.array([0.0, 3.0, -14.0])  # the joint lies before the ear's middle
        self._lids = {side: _lid(neutral, sign) for side, sign in SIDES.items()}

    def mesh(self, controls: Floats) -> Floats:
        """(N, 3) mm under the controls (K,), in the order of ``NAMES``; they are held within their limits."""
        low, high = np.array(list(CONTROLS.values())).T
        at = dict(zip(NAMES, np.clip(controls, low, high), strict=True))
        linear = np.array([at[NAMES[index]] for index in self._linear])
        skin = self._skin + (linear @ self._shapes).reshape(-1, 3)
        skin = self._turn_jaw(skin, self._jaw, at)
        vertices = self.neutral.copy()
        vertices[layout.HEAD.vertices] = skin
        for side, lid in self._lids.items():
            _close(vertices, lid, at[f"lids_{side}"] + 0.012 * at["gaze_y_deg"])
            chart = layout.LEFT_EYE if side == "left" else layout.RIGHT_EYE
            gaze = np.deg2rad([at["gaze_x_deg"], at["gaze_y_deg"]])
            vertices[chart.vertices] = _look(vertices[chart.vertices], lid.centre, *gaze)
        bag = self.neutral[layout.MOUTH.vertices]
        of_jaw = self._turn_jaw(bag, np.ones(len(bag)), at) - bag
        moved = vertices[layout.HEAD.vertices] - self._skin
        vertices[layout.MOUTH.vertices] = bag + cavity_motion(moved[None], of_jaw[None])[0]
        return vertices

    def _turn_jaw(self, points: Floats, share: Floats, at: dict[str, float]) -> Floats:
        """Points (n, 3) after the share (n,) of the jaw's turn and glide."""
        y, z = points[:, 1] - self._hinge[1], points[:, 2] - self._hinge[2]
        turn = share * at["jaw_drop"] * JAW_DROP_RAD
        cosine, sine = np.cos(turn), np.sin(turn)
        glide = share * at["jaw_drop"] * JAW_GLIDE_MM
        y, z = y * cosine - z * sine + 0.4 * glide, y * sine + z * cosine - glide
        aside = share * at["jaw_side"] * JAW_SIDE_RAD
        x = points[:, 0] * np.cos(aside) - z * np.sin(aside)
        z = points[:, 0] * np.sin(aside) + z * np.cos(aside)
        return np.stack([x, y + self._hinge[1], z + self._hinge[2]], axis=1)


def _lid(neutral: Floats, sign: float) -> _Lid:
    """The lids around one eyeball: how far each vertex turns when they shut."""
    chart = layout.LEFT_EYE if sign > 0 else layout.RIGHT_EYE
    centre, radius = fit_sphere(neutral[chart.vertices])
    inner, outer = sorted(sign * corner for corner in layout.EYE_CORNERS_X)
    columns = layout.front_columns(inner, outer)
    upper, lower = (
        _elevation(neutral[row * layout.COLUMNS + columns], centre)
        for row in (layout.EYE_SLIT_ROW, layout.EYE_SLIT_ROW + 3)
    )
    gap = np.clip(lower - upper, 0.0, None) + 0.02 * np.sin(np.linspace(0.0, np.pi, len(columns)))
    vertices, turns = [], []
    for step in range(_LID_ROWS):
        fade = (1.0 - step / _LID_ROWS) ** 1.4
        for row, share in ((layout.EYE_SLIT_ROW + 1 - step, 0.86), (layout.EYE_SLIT_ROW + 2 + step, -0.14)):
            vertices.append(row * layout.COLUMNS + columns)
            turns.append(share * gap * (1.0 if step < 2 else fade))
    guarded, clearance = lid_vertices(sign)
    at_rest = np.linalg.norm(neutral[guarded] - centre, axis=1)  # the fitted sphere must not move the face at rest
    keep_off = np.minimum(radius + clearance, at_rest)
    return _Lid(centre, np.concatenate(vertices), np.concatenate(turns), guarded, keep_off)


def _elevation(points: Floats, centre: Floats) -> Floats:
    """Angle downwards about the x axis through the centre: (n, 3) -> (n,)."""
    return np.arctan2(points[:, 1] - centre[1], centre[2] - points[:, 2])


def _close(vertices: Floats, lid: _Lid, closure: float) -> None:
    """Turns lids by a share of their way, in place, and keeps all of them off the eyeball."""
    points = vertices[lid.vertices]
    angle = np.clip(closure, -0.25, 1.0) * lid.shut_rad
    y, z = (points - lid.centre)[:, 1:].T
    cosine, sine = np.cos(angle), np.sin(angle)
    vertices[lid.vertices, 1] = lid.centre[1] + y * cosine - z * sine
    vertices[lid.vertices, 2] = lid.centre[2] + y * sine + z * cosine
    offset = vertices[lid.guarded] - lid.centre
    distance = np.linalg.norm(offset, axis=1)
    vertices[lid.guarded] = lid.centre + offset * np.maximum(lid.keep_off / distance, 1.0)[:, None]


def _look(points: Floats, centre: Floats, aside: float, down: float) -> Floats:
    """Points of an eyeball turned to the subject's left and downwards, radians."""
    x, y, z = (points - centre).T
    y, z = y * np.cos(down) - z * np.sin(down), y * np.sin(down) + z * np.cos(down)
    x, z = x * np.cos(aside) - z * np.sin(aside), x * np.sin(aside) + z * np.cos(aside)
    return centre + np.stack([x, y, z], axis=1)


def fit_sphere(points: Floats) -> tuple[Floats, float]:
    """Centre (3,) and radius of the sphere through an eyeball's points, its bulging middle left out."""
    front = points[:, 2] < points[:, 2].min() + 3.0 * CORNEA_BULGE
    rest = points[~front]
    system = np.concatenate([2.0 * rest, np.ones((len(rest), 1))], axis=1)
    solution = np.linalg.lstsq(system, np.square(rest).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))
