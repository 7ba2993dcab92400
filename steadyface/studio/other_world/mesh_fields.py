"""Smooth scalar fields over the skin from its Laplacian: heat around a place, a transition between two places.

They follow the surface, so an upper and a lower lip that touch are far apart.
Source: M. Meyer et al., Discrete Differential-Geometry Operators for Triangulated 2-Manifolds (2003); the
transition is that of A. Jacobson et al., Bounded Biharmonic Weights (2011), bounded afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, diags
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FAINT = 0.03  # of a heat field's peak: less is nothing, so that what is far does not move


class SkinMesh:
    """The Laplacian of a triangle mesh in which every vertex has a triangle.

    Args:
        points: (H, 3) mm; faces: (F, 3) indices.
    """

    def __init__(self, points: Floats, faces: Ints) -> None:
        self._points = points
        self._stiffness, self._mass = cotangent_laplacian(points, faces)

    def heat(self, place: Ints, reach_mm: float) -> Floats:
        """1 at its warmest, fading over about ``reach_mm`` around the vertices of ``place``: -> (H,)."""
        source = np.zeros(len(self._points))
        source[place] = 1.0
        field = self.smooth(source, reach_mm)
        return np.clip((field / field.max() - _FAINT) / (1.0 - _FAINT), 0.0, None)

    def smooth(self, values: Floats, reach_mm: float) -> Floats:
        """Values (H,) or (H, C) after heat flowed over ``reach_mm``, in two implicit steps."""
        system = splu(csc_matrix(diags(self._mass) + 0.5 * reach_mm**2 * self._stiffness))
        mass = self._mass if values.ndim == 1 else self._mass[:, None]
        for _ in range(2):
            values = system.solve(mass * values)
        return values

    def transition(self, zeros: Ints, ones: Ints) -> Floats:
        """From 0 on ``zeros`` to 1 on ``ones``, as smooth as it can be, within [0, 1]: -> (H,)."""
        bending = csc_matrix(self._stiffness @ diags(1.0 / self._mass) @ self._stiffness)
        free = np.ones(len(self._points), dtype=bool)
        free[zeros] = free[ones] = False
        field = np.zeros(len(self._points))
        field[ones] = 1.0
        rest = bending[free]
        field[free] = splu(csc_matrix(rest[:, free])).solve(-(rest @ field))
        return np.clip(field, 0.0, 1.0)


def cotangent_laplacian(points: Floats, faces: Ints) -> tuple[csc_matrix, Floats]:
    """Stiffness (H, H), positive semi-definite, and the area of each vertex (H,) mm^2."""
    count = len(points)
    row, column, value = [], [], []
    area = np.zeros(count)
    for corner in range(3):
        a, b, c = (faces[:, (corner + step) % 3] for step in range(3))
        to_b, to_c = points[b] - points[a], points[c] - points[a]
        double_area = np.linalg.norm(np.cross(to_b, to_c), axis=1).clip(1e-9)
        cotangent = ((to_b * to_c).sum(1) / double_area).clip(0.0, 20.0)  # obtuse corners would pull the wrong way
        row += [b, c]
        column += [c, b]
        value += [0.5 * cotangent] * 2
        np.add.at(area, a, double_area / 6.0)
    weights = csc_matrix((np.concatenate(value), (np.concatenate(row), np.concatenate(column))), (count, count))
    return csc_matrix(diags(np.asarray(weights.sum(1)).ravel()) - weights), area.clip(1e-6)
