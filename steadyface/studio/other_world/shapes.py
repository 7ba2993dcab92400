"""Displacements of the second generator's expressions: each spreads over the skin by heat from where it acts."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from steadyface.studio import layout
from steadyface.studio.other_world.mesh_fields import Floats, Ints, SkinMesh

SIDES = {"left": 1.0, "right": -1.0}
"""The subject's own left is at positive x."""
TISSUE_FIELDS = 8


class Sculptor:
    """Displacements at full control, each (H, 3) mm."""

    def __init__(self, mesh: SkinMesh, skin: Floats, neutral: Floats, regions: dict[str, Ints]) -> None:
        self._mesh, self._skin, self._regions = mesh, skin, regions
        lips = regions["lips"]
        self._mouth = skin[lips].mean(0)
        self._corner = {side: lips[np.argmax(sign * skin[lips, 0])] for side, sign in SIDES.items()}
        away = skin - (skin.mean(0) + np.array([0.0, 0.0, 15.0]))
        self._out = away / np.linalg.norm(away, axis=1, keepdims=True)  # smoother than the normals

    def shapes(self) -> dict[str, Floats]:
        """Every displacement but the soft tissue's."""
        found = self._middle()
        for side, sign in SIDES.items():
            found |= {f"{name}_{side}": shape for name, shape in self._sided(side, sign).items()}
        return found

    def _middle(self) -> dict[str, Floats]:
        lips, brows = self._regions["lips"], self._regions["brows"]
        near = self._heat(lips, 9.0)
        inwards = (self._mouth - self._skin) * [0.36, 0.12, 0.0]
        upper = self._skin[:, 1] < self._mouth[1]
        press = np.where(upper, 1.0, -1.0)[:, None] * [0.0, 1.4, 0.0] + np.array([0.0, 0.0, 2.6])
        chin = self._place(self._regions["jaw"], 0.0, 14.0)
        inner = brows[np.abs(self._skin[brows, 0]) < 18.0]
        knit = self._heat(inner, 5.0) * (-np.sign(self._skin[:, :1]) * [3.2, 0.0, 0.0] + [0.0, 2.0, -1.2])
        return {
            "lips_round": near * (inwards + 7.0 * self._out * [0.2, 0.0, 1.0]),
            "lips_press": self._heat(lips, 3.0) * press,
            "chin_raise": self._heat(chin, 9.0) * (np.array([0.0, -4.2, 0.0]) + 2.0 * self._out),
            "brow_knit": knit,
        }

    def _sided(self, side: str, sign: float) -> dict[str, Floats]:
        regions, corner = self._regions, np.array([self._corner[side]])
        lips, cheeks = regions["lips"], self._on(regions["cheeks"], sign)
        middle = self._place(cheeks, sign * 40.0, 9.0)
        upper = self._on(lips[self._skin[lips, 1] < self._mouth[1]], sign, 6.0)
        lower = self._on(lips[self._skin[lips, 1] > self._mouth[1]], sign, 6.0)
        wing = self._place(self._on(regions["nose"], sign, 9.0), sign * 16.0, 8.0)
        brow = self._on(regions["brows"], sign, 12.0)
        pull = np.array([sign * 8.0, -7.5, 7.0])
        bulge = self._heat(middle, 10.0) * (3.0 * self._out + [0.0, -2.5, 0.0])
        return {
            "smile": self._heat(corner, 9.0) * pull + bulge,
            "corner_down": self._heat(corner, 7.0) * np.array([sign * 2.5, 7.5, 2.0]),
            "lip_raise": self._heat(upper, 6.5) * np.array([sign * 0.5, -5.0, -0.8]) * self._still(upper),
            "lip_drop": self._heat(lower, 6.5) * np.array([sign * 0.8, 5.0, -0.6]) * self._still(lower),
            "cheek": self._heat(middle, 14.0) * 9.0 * self._out,
            "brow": self._heat(brow, 6.0) * np.array([0.0, -7.0, 0.5]),
            "nose_flare": self._heat(wing, 4.0) * np.array([sign * 2.6, -1.2, 0.0]),
        }

    def _heat(self, place: Ints, reach_mm: float) -> Floats:
        return self._mesh.heat(place, reach_mm)[:, None]

    def _still(self, lip: Ints) -> Floats:
        """Less where the other lip's corner would be torn along: (H, 1)."""
        nearest = np.minimum(*(distance(self._skin, self._skin[[one]]) for one in self._corner.values()))
        return smoothstep(nearest, 2.0, 16.0)[:, None]

    def _on(self, place: Ints, sign: float, least: float = 0.0) -> Ints:
        """Vertices of one side of the face, ``least`` mm from its middle."""
        return place[sign * self._skin[place, 0] > least]

    def _place(self, place: Ints, x: float, radius: float) -> Ints:
        """The vertices around the one whose x is nearest to the given one, at the middle of the place's height."""
        centre = self._skin[place].mean(0)
        goal = place[np.argmin(np.hypot(self._skin[place, 0] - x, self._skin[place, 1] - centre[1]))]
        return place[distance(self._skin[place], self._skin[[goal]]) < radius]


def jaw_share(mesh: SkinMesh, skin: Floats) -> Floats:
    """How far each vertex goes with the jaw: (H,)."""
    rows = np.repeat(np.arange(layout.ROWS), layout.COLUMNS)
    x, _, z = skin.T
    slit = layout.MOUTH_SLIT_ROW
    upper_lip = (rows <= slit + 1) & (rows > slit - 8) & (np.abs(x) < 15.0) & (z < -60.0)
    above = (rows <= slit - 16) | upper_lip
    neck = (rows >= layout.ROWS - 3) | (z > -8.0)
    below = (rows >= slit + 2) & (np.abs(x) < 17.0) & (z < -60.0) & (rows < layout.ROWS - 5)
    return mesh.transition(np.flatnonzero(above | neck), np.flatnonzero(below & ~above & ~neck))


def tissue(mesh: SkinMesh, skin: Floats, rng: np.random.Generator, largest_mm: float) -> dict[str, Floats]:
    """Random smooth displacements of the lower face and the forehead's sides, none near lids and lips' lines."""
    rows = np.repeat(np.arange(layout.ROWS), layout.COLUMNS)
    x, y, z = skin.T
    slits = [np.flatnonzero((np.abs(rows - row - 1.5) < 3) & (np.abs(x) < reach) & (z < -40))
             for row, reach in ((layout.EYE_SLIT_ROW, 50.0), (layout.MOUTH_SLIT_ROW, 30.0))]  # fmt: skip
    away = smoothstep(distance(skin, skin[slits[0]]), 2.0, 14.0)
    window = (1.0 - smoothstep(z, -70.0, -20.0)) * smoothstep(y, -60.0, -30.0) * (1.0 - smoothstep(y, 92.0, 112.0))
    fields = {}
    for number in range(TISSUE_FIELDS):
        noise = mesh.smooth(rng.normal(size=skin.shape), rng.uniform(7.0, 13.0)) * (away * window)[:, None]
        fields[f"tissue_{number}"] = noise * (largest_mm / np.linalg.norm(noise, axis=1).max())
    return fields


def distance(points: Floats, places: Floats) -> Floats:
    """From each point (n, 3) to the nearest of the places (m, 3): (n,)."""
    return np.asarray(cKDTree(places).query(points)[0])


def smoothstep(values: Floats, low: float, high: float) -> Floats:
    step = np.clip((values - low) / (high - low), 0.0, 1.0)
    return step * step * (3.0 - 2.0 * step)
