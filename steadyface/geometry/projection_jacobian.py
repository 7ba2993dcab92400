"""How projected points move with the head pose and with what moves the points: in closed form."""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

from steadyface.geometry.cameras import NEAREST_DEPTH_MM, project


def projection_jacobian(
    placed: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor, basis: Tensor
) -> Tensor:
    """Derivatives of pixels by pose and shape.

    The pose's six are those of `move_pose`: a rotation vector about the camera's axes through the
    head's origin, and a shift in units of the head's depth, so that all are near 1 in effect.

    Args:
        placed: (B, K, 3) mm, camera frame.
        intrinsics: (B, 3, 3).
        rotation, translation: (B, 3, 3) and (B, 3) mm, head -> camera.
        basis: (K, 3, Z), mm in the head frame for one unit of each of Z coefficients.

    Returns:
        (B, K, 2, 6 + Z) pixels a unit.
    """
    depth = placed[..., 2:].clamp(min=NEAREST_DEPTH_MM)
    here = project(placed, intrinsics)
    # d pixels / d placed = (K's first rows - pixels outer (0, 0, 1)) / depth
    toward = intrinsics[:, None, :2] - here.unsqueeze(-1) * here.new_tensor([0.0, 0.0, 1.0])
    toward = toward / depth.unsqueeze(-1)
    turned = (placed - translation.unsqueeze(1)).unsqueeze(-2).expand_as(toward)
    by_rotation = torch.linalg.cross(turned, toward)
    by_shift = toward * translation[:, 2].view(-1, 1, 1, 1)
    by_shape = torch.einsum("bkij,kjz->bkiz", toward @ rotation.unsqueeze(1), basis)
    return torch.cat([by_rotation, by_shift, by_shape], dim=-1)


def move_pose(rotation: Tensor, translation: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Head poses (B, 3, 3), (B, 3) mm after a step (B, 6): radians, then shares of the depth."""
    return so3_exp_map(step[:, :3]) @ rotation, translation + step[:, 3:] * translation[:, 2:]
