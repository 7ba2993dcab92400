"""Head pose from points found in a picture: weighted perspective-n-point by Gauss-Newton.

Starts from scaled orthography in closed form. Only the last step carries a gradient: at the
minimum that is the gradient of the solution itself, at the price of one step.
"""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor

DAMPING = 1e-4
"""Added to the normalised normal equations: keeps a degenerate set of points solvable."""


def solve_pose(
    points: Tensor, pixels: Tensor, weights: Tensor, intrinsics: Tensor, iterations: int = 6
) -> tuple[Tensor, Tensor]:
    """The pose that projects points of the head onto pixels, least squares under weights.

    Args:
        points: (K, 3) head frame, mm; not all in one plane through the camera.
        pixels: (B, K, 2), where the network sees them.
        weights: (B, K), positive, of the squared residuals.
        intrinsics: (B, 3, 3); skew is allowed.
        iterations: Gauss-Newton steps.

    Returns:
        rotation (B, 3, 3), translation (B, 3) mm, head -> camera; differentiable in pixels and weights.
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    rays = (homogeneous @ torch.linalg.inv(intrinsics).transpose(-1, -2))[..., :2]
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
    with torch.no_grad():
        rotation, translation = scaled_orthography(points, rays, weights)
        for _ in range(iterations - 1):
            rotation, translation = _step(points, rays, weights, rotation, translation)
    return _step(points, rays, weights, rotation, translation)


def scaled_orthography(points: Tensor, rays: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Closed-form pose of a far camera: (K, 3), (B, K, 2) on the plane z = 1, (B, K) -> (B, 3, 3), (B, 3)."""
    centre = (weights.unsqueeze(-1) * points).sum(1, keepdim=True)
    middle = (weights.unsqueeze(-1) * rays).sum(1, keepdim=True)
    local, target = points - centre, rays - middle
    weighted = local * weights.unsqueeze(-1)
    normal = weighted.transpose(-1, -2) @ local
    spread = normal.diagonal(dim1=-2, dim2=-1).mean(-1).view(-1, 1, 1)
    normal = normal + 1e-3 * spread * torch.eye(3, device=points.device, dtype=points.dtype)
    affine = torch.linalg.solve(normal, weighted.transpose(-1, -2) @ target).transpose(-1, -2)
    left, scale, right = torch.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = torch.cat([rows, torch.linalg.cross(rows[:, :1], rows[:, 1:])], dim=1)
    depth = 1.0 / scale.mean(-1).clamp(min=1e-5)
    origin = torch.cat([middle.squeeze(1), torch.ones_like(depth).unsqueeze(-1)], dim=-1) * depth.unsqueeze(-1)
    return rotation, origin - (rotation @ centre.transpose(-1, -2)).squeeze(-1)


def _step(
    points: Tensor, rays: Tensor, weights: Tensor, rotation: Tensor, translation: Tensor
) -> tuple[Tensor, Tensor]:
    """One damped Gauss-Newton step; the unknowns are a rotation about the camera and log-like shifts."""
    turned = points @ rotation.transpose(-1, -2)
    placed = turned + translation.unsqueeze(1)
    depth = placed[..., 2].clamp(min=10.0)
    x, y = placed[..., 0] / depth, placed[..., 1] / depth
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    # the projection's derivative by the placed point, rows x and y
    toward = torch.stack([torch.stack([one, zero, -x], -1), torch.stack([zero, one, -y], -1)], -2)
    toward = toward / depth.view(*depth.shape, 1, 1)
    by_rotation = torch.linalg.cross(turned.unsqueeze(-2).expand_as(toward), toward)
    scale = translation[:, 2].view(-1, 1, 1, 1)
    jacobian = torch.cat([by_rotation, toward * scale], dim=-1)
    residual = rays - torch.stack([x, y], dim=-1)
    weighted = jacobian * weights.view(*weights.shape, 1, 1)
    normal = torch.einsum("bkij,bkil->bjl", weighted, jacobian)
    size = normal.diagonal(dim1=-2, dim2=-1).mean(-1).view(-1, 1, 1)
    normal = normal + DAMPING * size * torch.eye(6, device=points.device, dtype=points.dtype)
    change = torch.linalg.solve(normal, torch.einsum("bkij,bki->bj", weighted, residual))
    change = change.clamp(-0.5, 0.5)
    return so3_exp_map(change[:, :3]) @ rotation, translation + change[:, 3:] * translation[:, 2:]
