"""A stacked hourglass: crop -> features and where landmarks lie (Newell et al., ECCV 2016).

Yoon et al. (2019, Fig. 2) join its features with those of an image classifier.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from steadyface.networks.blocks import Downsample, Residual, parameters_of
from steadyface.networks.point_network import STRIDE, FoundPoints, read_points
from steadyface.networks.precision import in_network_precision

_SMALLEST_SIDE = 4
"""Cells a side at the bottom of an hourglass, as in the paper."""


class Seen(NamedTuple):
    """features (B, W, C, C) of the last hourglass, and the landmarks that each of them found."""

    features: Tensor
    found: tuple[FoundPoints, ...]


class Hourglass(nn.Module):
    """Down to few cells and up again, beside the features of every resolution: (B, W, C, C) -> the same.

    Args:
        width: channels.
        depth: halvings; C must be a multiple of 2 to their power.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.beside, self.before, self.after = Residual(width), Residual(width), Residual(width)
        self.inner: nn.Module = Hourglass(width, depth - 1) if depth > 1 else Residual(width)

    def forward(self, features: Tensor) -> Tensor:
        below = self.after(self.inner(self.before(avg_pool2d(features, 2))))
        return self.beside(features) + interpolate(below, scale_factor=2, mode="nearest")


class Stack(nn.Module):
    """One hourglass and what it says of the landmarks.

    Args:
        width: channels.
        depth: halvings.
        landmarks: K.
    """

    def __init__(self, width: int, depth: int, landmarks: int) -> None:
        super().__init__()
        self.hourglass, self.refine = Hourglass(width, depth), Residual(width)
        self.to_heat = nn.Conv2d(width, landmarks, 1)
        self.to_doubt = nn.Conv2d(width, landmarks, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, FoundPoints]:
        """(B, W, C, C) -> features of the same shape, and K points."""
        own = self.refine(self.hourglass(features))
        return own, read_points(self.to_heat(own), self.to_doubt(own))


class StackedHourglass(nn.Module):
    """Crop (B, 3, S, S), standardised -> features, and the landmarks that every stack found.

    Args:
        image_size: S, a multiple of 16.
        stacks: hourglasses in a row, 1 or more.
        width: W, a multiple of 8.
        landmarks: K.
    """

    def __init__(self, image_size: int, stacks: int, width: int, landmarks: int) -> None:
        super().__init__()
        self.entry = nn.Sequential(Downsample(3, width), Residual(width), Downsample(width, width), Residual(width))
        depth = halvings(image_size // STRIDE)
        self.stacks = nn.ModuleList(Stack(width, depth, landmarks) for _ in range(stacks))
        self.hand_on = nn.ModuleList(nn.Conv2d(width + landmarks, width, 1) for _ in range(stacks - 1))

    def last_parameters(self, what: str) -> list[nn.Parameter]:
        """Of the 1x1 layers that say the landmarks, ``heads``, and, ``last_block``, the residual block before them."""
        last = cast(Stack, self.stacks[-1])
        heads = parameters_of(last.to_heat, last.to_doubt)
        return heads if what == "heads" else [*parameters_of(last.refine), *heads]

    @in_network_precision
    def forward(self, image: Tensor) -> Seen:
        features = self.entry(image)
        own, points = self.stacks[0](features)
        found = [points]
        for hand_on, stack in zip(self.hand_on, self.stacks[1:], strict=True):
            # of mean 1, or a heat map of many cells would be too faint to be seen
            heat = points.log_heat.exp() * points.log_heat.shape[-1] ** 2
            features = features + hand_on(torch.cat([own, heat], dim=1))
            own, points = stack(features)
            found.append(points)
        return Seen(own, tuple(found))


def halvings(side: int) -> int:
    """How often a side can be halved before it is odd or has four cells; at least once.

    >>> [halvings(side) for side in (64, 32, 20)]
    [4, 3, 2]
    """
    count = 1
    while side >> count > _SMALLEST_SIDE and (side >> count) % 2 == 0:
        count += 1
    return count
