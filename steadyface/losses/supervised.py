"""Supervision by the lab: pose, geometry, latent."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.losses.robust import charbonnier


def pose_error(
    rotation: Tensor, translation: Tensor, true_rotation: Tensor, true_translation: Tensor, points: Tensor,
    intrinsics: Tensor, image_size: int,
) -> Tensor:
    """Where the pose puts points of the head: reprojection, depth and rotation, each scaled to about 1.

    Args:
        rotation, translation, true_rotation, true_translation: (B, 3, 3), (B, 3) mm, head -> camera.
        points: (K, 3) or (B, K, 3) of the head, head frame, mm.
        intrinsics: (B, 3, 3) of the crop.
        image_size: its side in pixels.

    Returns:
        scalar.
    """
    points = points.expand(len(rotation), -1, -1)
    there, here = transform(points, rotation, translation), transform(points, true_rotation, true_translation)
    pixels = (project(there, intrinsics) - project(here, intrinsics)).norm(dim=-1)
    depth = torch.log(translation[:, 2].clamp(min=1.0) / true_translation[:, 2])
    turn = (rotation - true_rotation).flatten(1).norm(dim=-1)
    return (
        charbonnier(pixels * (100.0 / image_size), 0.5).mean()
        + 20.0 * charbonnier(depth, 0.02).mean()
        + 10.0 * charbonnier(turn, 0.02).mean()
    )


def geometry_error(vertices: Tensor, true_vertices: Tensor, weight: Tensor) -> Tensor:
    """Robust weighted distance of meshes in mm: (B, N, 3) twice, weight (N,) of mean 1 -> scalar."""
    distance = (vertices - true_vertices).square().sum(-1)
    return (charbonnier(torch.sqrt(distance + 1e-6), 0.3) * weight).mean()


def latent_error(whitened: Tensor, true_whitened: Tensor) -> Tensor:
    """Robust mean distance of latents in deviations of the lab: (B, Z) twice -> scalar."""
    return charbonnier(whitened - true_whitened, 0.5).mean()
