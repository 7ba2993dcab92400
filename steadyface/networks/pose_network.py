"""Crop -> head pose, through points of the head that no expression moves.

A small hourglass finds the points as heat maps, each with its own doubt, and the pose is the one
that projects the model's points onto them. Position and size come from where things are in the
picture, so a few hundred steps teach what a regression of the pose needs thousands for, and K and
the place of the crop never have to be learned (Yoon et al. 2019 join an hourglass for landmarks).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from steadyface.geometry.pose_from_points import solve_pose
from steadyface.networks.blocks import Downsample, Residual

STRIDE = 4
"""Pixels of the crop to a cell of the heat maps."""

LEAST_DOUBT_PX = 0.3
"""A point is never surer than this, or one point would hold the pose alone."""


class FoundPoints(NamedTuple):
    """pixels (B, K, 2) in the crop; doubt_px (B, K); log_heat (B, K, C, C), log-probabilities over the cells."""

    pixels: Tensor
    doubt_px: Tensor
    log_heat: Tensor


class PointNetwork(nn.Module):
    """Crop (B, 3, S, S) -> where K points lie, by an hourglass of one stack.

    Args:
        width: channels of the first layer.
        points: K.
    """

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.to_half = Downsample(3, width)
        self.to_quarter = nn.Sequential(Downsample(width, 2 * width), Residual(2 * width))
        self.to_eighth = nn.Sequential(Downsample(2 * width, 4 * width), Residual(4 * width))
        self.to_sixteenth = nn.Sequential(Downsample(4 * width, 6 * width), Residual(6 * width), Residual(6 * width))
        self.from_sixteenth = nn.Conv2d(6 * width, 4 * width, 1)
        self.from_eighth = nn.Sequential(Residual(4 * width), nn.Conv2d(4 * width, 2 * width, 1))
        self.refine = Residual(2 * width)
        self.to_heat = nn.Conv2d(2 * width, points, 1)
        self.to_doubt = nn.Conv2d(2 * width, points, 1)

    def forward(self, image: Tensor) -> FoundPoints:
        """(B, 3, S, S) sRGB in [0, 1], S a multiple of 16 -> K points each."""
        quarter = self.to_quarter(self.to_half(image * 2.0 - 1.0))
        eighth = self.to_eighth(quarter)
        wide = eighth + _double(self.from_sixteenth(self.to_sixteenth(eighth)))
        features = self.refine(quarter + _double(self.from_eighth(wide)))
        heat = self.to_heat(features)
        log_heat = heat.flatten(2).log_softmax(-1)
        share = log_heat.exp()
        doubt = LEAST_DOUBT_PX + nn.functional.softplus((share * self.to_doubt(features).flatten(2)).sum(-1))
        return FoundPoints(_centre(share, heat.shape[-1]), doubt, log_heat.view_as(heat))


def _double(features: Tensor) -> Tensor:
    return interpolate(features, scale_factor=2, mode="nearest")


def _centre(share: Tensor, side: int) -> Tensor:
    """Centre of mass of heat maps (B, K, side^2), in pixels of the crop: (B, K, 2)."""
    steps = (torch.arange(side, device=share.device, dtype=share.dtype) + 0.5) * STRIDE - 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return share @ torch.stack([x.flatten(), y.flatten()], dim=-1)


class PoseNetwork(nn.Module):
    """Crop and its K -> head pose.

    Args:
        width: channels of the first layer.
        points: how many points of the head are looked for.
    """

    points: Tensor

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.find = PointNetwork(width, points)
        # places on the mean mesh, head frame, mm; chosen once from the lab, then fixed
        self.register_buffer("points", torch.zeros(points, 3))

    def choose_points(self, vertices: Tensor, candidates: Tensor) -> None:
        """Spread the points over the candidate vertices (indices) of a mesh (N, 3): farthest first."""
        chosen = farthest_points(vertices[candidates], len(self.points))
        self.points.copy_(vertices[candidates[chosen]])

    def forward(self, image: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor, FoundPoints]:
        """(B, 3, S, S), (B, 3, 3) -> rotation (B, 3, 3), translation (B, 3) mm, and the points behind them."""
        found = self.find(image)
        # the doubt weighs, but the pose must not teach the network to doubt
        weights = found.doubt_px.detach().reciprocal().square()
        rotation, translation = solve_pose(self.points, found.pixels, weights, intrinsics)
        return rotation, translation, found


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Indices of ``count`` points, each the farthest from those before, the first the nearest to the viewer.

    Shapes: points (N, 3), N >= count -> (count,) long. The same points give the same choice.
    """
    chosen = [int(points[:, 2].argmin())]
    nearest = (points - points[chosen[0]]).norm(dim=-1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = nearest.minimum((points - points[chosen[-1]]).norm(dim=-1))
    return torch.tensor(chosen)
