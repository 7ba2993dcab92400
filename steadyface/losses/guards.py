"""What keeps self-supervision from cheating: the frame's border, and the pull to the source."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.losses.robust import charbonnier


def out_of_frame(pixels: Tensor, width: int, height: int) -> Tensor:
    """Mean distance, in pixels, by which projected points lie outside the picture: (B, M, 2) -> scalar."""
    limit = pixels.new_tensor([width - 1, height - 1])
    beyond = torch.relu(-pixels) + torch.relu(pixels - limit)
    return beyond.sum(-1).mean()


def latent_pull(whitened: Tensor, source_whitened: Tensor) -> Tensor:
    """Robust mean distance of the latent from the source's, in deviations of the lab: (B, Z) twice -> scalar."""
    return charbonnier(whitened - source_whitened, 0.5).mean()


def shape_pull(vertices: Tensor, source_vertices: Tensor, deviation: Tensor, least_mm: float = 0.2) -> Tensor:
    """Mean square distance of meshes from the source's, each vertex in units of its own motion in the lab.

    What hardly moves is hardly seen to move, and light on it is easily taken for motion: a brow is
    held by this far more than a jaw is, measured in mm.
    Shapes: (B, N, 3) mm twice, deviation (N,) mm -> scalar.
    """
    distance = (vertices - source_vertices).square().sum(-1)
    return (distance / deviation.clamp(min=least_mm).square()).mean()


def lab_prior(whitened: Tensor) -> Tensor:
    """Mean square of the latent in deviations of the lab, the negative log prior: (B, Z) -> scalar."""
    return whitened.square().mean()


def pose_pull(pixels: Tensor, source_pixels: Tensor, scale_px: float = 4.0) -> Tensor:
    """Robust mean distance of projected points from the source's, in pixels: (B, M, 2) twice -> scalar."""
    return charbonnier((pixels - source_pixels).norm(dim=-1), scale_px).mean()
