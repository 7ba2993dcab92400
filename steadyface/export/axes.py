"""From our axes and units to glTF's.

Ours: mm, OpenCV axes (x right, y down, z forward). glTF's: metres, x right, y up, z towards the viewer, so that a
head that looks into the camera looks along +z, which glTF calls an asset's front. Both are right-handed: the change
is half a turn about x, and triangles keep their winding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

METRES = 1e-3
"""Metres in a mm."""

_FLIP = np.array([1.0, -1.0, -1.0])


def gltf_points(points: NDArray[Any]) -> NDArray[np.float64]:
    """Points or displacements (..., 3), mm, OpenCV axes -> metres, glTF axes.

    >>> gltf_points(np.array([1000.0, 2000.0, 3000.0])).tolist()
    [1.0, -2.0, -3.0]
    """
    return points.astype(np.float64) * (_FLIP * METRES)


def gltf_directions(directions: NDArray[Any]) -> NDArray[np.float64]:
    """Directions (..., 3), OpenCV axes -> glTF axes, of the same length."""
    return directions.astype(np.float64) * _FLIP


def gltf_rotations(rotation: NDArray[Any]) -> NDArray[np.float64]:
    """Rotations (..., 3, 3) between frames with OpenCV axes -> between the same frames with glTF axes."""
    return rotation.astype(np.float64) * (_FLIP[:, None] * _FLIP)
