"""Rotation vectors for filters: differences of rotations and steps along them, in double precision."""

from __future__ import annotations

from pytorch3d.transforms import axis_angle_to_matrix, matrix_to_axis_angle
from torch import Tensor


def turned_by(rotation: Tensor, vector: Tensor) -> Tensor:
    """Rotations (..., 3, 3) turned further by rotation vectors (..., 3), radians, in their own frame."""
    return rotation @ axis_angle_to_matrix(vector)


def turn_between(first: Tensor, second: Tensor) -> Tensor:
    """The rotation vector (..., 3), radians, with ``turned_by(first, vector) == second``; up to half a turn."""
    return matrix_to_axis_angle(first.transpose(-1, -2) @ second)
