"""Supervision by the lab: pose, geometry, latent."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.losses.robust import charbonnier
from steadyface.networks.point_network import FoundPoints


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


def view_consistency(whitened: Tensor, frame: Tensor) -> Tensor:
    """How far the latents of one instant's views are apart (Yoon et al. 2019, Fig. 2): each from their mean.

    Args:
        whitened: (B, Z), in deviations of the lab.
        frame: (B,) long; views of the same number show the same instant, a single one agrees with itself.

    Returns:
        scalar.
    """
    same = (frame.unsqueeze(0) == frame.unsqueeze(1)).to(whitened.dtype)
    mean = same @ whitened / same.sum(1, keepdim=True)
    return charbonnier(whitened - mean, 0.5).mean()


def point_error(found: FoundPoints, true_pixels: Tensor, stride: int, spread_cells: float = 0.7) -> Tensor:
    """What found points owe to the truth: heat at the right cells, and a place whose doubt is honest.

    The doubt is the scale of a Laplacian over the distance: its negative log-likelihood is lowest
    where the doubt is the mean distance itself.

    Args:
        found: K points of B crops.
        true_pixels: (B, K, 2); points outside the crop count by distance only.
        stride: pixels a cell.
        spread_cells: deviation of the target heat.

    Returns:
        scalar.
    """
    side = found.log_heat.shape[-1]
    cells = (true_pixels + 0.5) / stride - 0.5
    steps = torch.arange(side, device=cells.device, dtype=cells.dtype)
    fall = torch.exp(-0.5 * ((steps - cells.unsqueeze(-1)) / spread_cells).square())
    target = fall[:, :, 1, :, None] * fall[:, :, 0, None, :]
    mass = target.flatten(2).sum(-1)
    target = target / mass.clamp(min=1e-6)[..., None, None]
    heat = -(target * found.log_heat).flatten(2).sum(-1) * (mass > 0.5)
    distance = (found.pixels - true_pixels).norm(dim=-1)
    likelihood = distance / found.doubt_px + torch.log(found.doubt_px)
    return 0.3 * heat.mean() + likelihood.mean()
