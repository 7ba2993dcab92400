"""Small convolution blocks. Group norm, not batch norm: no statistics drift when a clip is adapted to."""

from __future__ import annotations

import itertools
from typing import Self

from torch import Tensor, nn


class FrozenBatchNorm(nn.Module):
    """A module whose batch norm always uses the statistics that it was loaded with: no clip moves them."""

    def train(self, mode: bool = True) -> Self:
        """As usual, but for batch norm."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class Downsample(nn.Sequential):
    """Halve the resolution: 3 x 3 convolution of stride 2, group norm, SiLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(8, channels_out),
            nn.SiLU(),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity, at one resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(8, channels),
        )
        self.activation = nn.SiLU()

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.activation(features + self.body(features))


class Upsample(nn.Sequential):
    """Double the resolution: transposed 4 x 4 convolution of stride 2, leaky ReLU of 0.2."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2))


def convolution_stack(channels: list[int], residual_from: int) -> nn.Sequential:
    """Halve the resolution once for each step of ``channels``; residual blocks from level ``residual_from``."""
    layers: list[nn.Module] = []
    for level, (before, after) in enumerate(itertools.pairwise(channels)):
        layers.append(Downsample(before, after))
        if level >= residual_from:
            layers.append(Residual(after))
    return nn.Sequential(*layers)


def parameters_of(*modules: nn.Module) -> list[nn.Parameter]:
    """The parameters of several modules, in order."""
    return [parameter for module in modules for parameter in module.parameters()]
