"""Pinhole cameras with OpenCV axes: x right, y down, z forward; pixel centres at integers."""

from __future__ import annotations

import torch
from torch import Tensor

NEAREST_DEPTH_MM = 1.0
"""Depths are clamped here before the division: nothing nearer is ever imaged."""


def transform(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Rigid motion of points: ``rotation @ x + translation``.

    Shapes: points (B, N, 3), rotation (B, 3, 3), translation (B, 3) -> (B, N, 3).
    """
    return points @ rotation.transpose(-1, -2) + translation.unsqueeze(-2)


def project(points_camera: Tensor, intrinsics: Tensor) -> Tensor:
    """Perspective projection into pixels; K may carry skew, its last row is taken as (0, 0, 1).

    Shapes: points_camera (B, N, 3) in mm, intrinsics (B, 3, 3) -> (B, N, 2) pixels (x, y).
    """
    depth = points_camera[..., 2:].clamp(min=NEAREST_DEPTH_MM)
    rays = torch.cat([points_camera[..., :2] / depth, torch.ones_like(depth)], dim=-1)
    return (rays @ intrinsics.transpose(-1, -2))[..., :2]


def crop_intrinsics(intrinsics: Tensor, box: Tensor, size: int) -> Tensor:
    """K of a crop that is resized to size x size pixels; the pose stays what it was.

    A pixel at x in the frame lies at ``(x + 0.5 - box_x) * size / box_width - 0.5`` in the crop.

    Shapes: intrinsics (..., 3, 3); box (..., 4) = left edge, top edge, width, height in pixels
    of the frame, whose own left edge is 0 -> (..., 3, 3).
    """
    scale = size / box[..., 2:]
    offset = (0.5 - box[..., :2]) * scale - 0.5
    to_crop = torch.zeros_like(intrinsics)
    to_crop[..., 0, 0], to_crop[..., 1, 1], to_crop[..., 2, 2] = scale[..., 0], scale[..., 1], 1.0
    to_crop[..., 0, 2], to_crop[..., 1, 2] = offset[..., 0], offset[..., 1]
    return to_crop @ intrinsics


def view_direction(rotation: Tensor, translation: Tensor) -> Tensor:
    """Unit vector from the head's origin to the camera's centre, in the head frame.

    Shapes: rotation (B, 3, 3), translation (B, 3), head -> camera -> (B, 3).
    """
    centre = -(rotation.transpose(-1, -2) @ translation.unsqueeze(-1)).squeeze(-1)
    return torch.nn.functional.normalize(centre, dim=-1)
