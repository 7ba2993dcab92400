"""Blocks between a texture and a small grid, after the public Multiface code: each changes the side by 4."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from steadyface.networks.weight_normalised import SLOPE, NormalisedConvolution, NormalisedTransposed


class Style(NamedTuple):
    """What tells the variants of the texture networks from each other."""

    residual: bool = False  # a 3 x 3 convolution beside the identity after each change of side
    resized: bool = False  # the side is doubled by repeating texels, then a 3 x 3 convolution
    untied: bool = True  # a bias a texel in the decoder, not one a channel


class TextureShape(NamedTuple):
    """How a texture of U texels comes down to a grid: U = grid * 4 ** blocks.

    1024 and 512 texels are 4 and 2 times 4 ** 4, as published; smaller textures drop blocks.
    """

    grid: int
    blocks: int

    @classmethod
    def of(cls, texture_size: int) -> TextureShape:
        """Of a power of two from 16 texels.

        >>> [tuple(TextureShape.of(size)) for size in (1024, 512, 64)]
        [(4, 4), (2, 4), (4, 2)]
        """
        power = texture_size.bit_length() - 1
        grid = 2 if power % 2 else 4
        return cls(grid, (power - (1 if power % 2 else 2)) // 2)


def activate(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, SLOPE)


class Reduction(nn.Module):
    """(B, C, H, W) -> (B, width, H / 4, W / 4) by two 4 x 4 convolutions of stride 2."""

    def __init__(self, channels_in: int, width: int, residual: bool) -> None:
        super().__init__()
        self.first = NormalisedConvolution(channels_in, width, 4, stride=2)
        self.second = NormalisedConvolution(width, width, 4, stride=2)
        self.first_residual = NormalisedConvolution(width, width, 3) if residual else None
        self.second_residual = NormalisedConvolution(width, width, 3) if residual else None

    def forward(self, features: Tensor) -> Tensor:
        for change, residual in ((self.first, self.first_residual), (self.second, self.second_residual)):
            features = activate(change(features))
            if residual is not None:
                features = activate(residual(features) + features)
        return features


class Doubling(nn.Module):
    """(B, C, H, W) -> (B, width, side, side), side = 2 H, with a bias a texel.

    The convolution has a bias a channel too, as in the public networks: it moves a channel's mean at once.
    """

    def __init__(self, channels_in: int, channels_out: int, side: int, style: Style) -> None:
        super().__init__()
        self.resized = style.resized
        self.convolution: nn.Module = (
            NormalisedConvolution(channels_in, channels_out, 3)
            if style.resized
            else NormalisedTransposed(channels_in, channels_out)
        )
        side = side if style.untied else 1
        self.texel_bias = nn.Parameter(torch.zeros(1, channels_out, side, side))

    def forward(self, features: Tensor) -> Tensor:
        if self.resized:
            features = functional.interpolate(features, scale_factor=2, mode="nearest")
        return self.convolution(features) + self.texel_bias


class Enlargement(nn.Module):
    """(B, C, H, W) -> (B, channels_out, 4 H, 4 W) by two doublings.

    Args:
        channels_in, hidden, channels_out: before, between and after the doublings.
        side: of the grid that comes in, H.
        last: no activation at the end, for colours.
    """

    def __init__(
        self, channels_in: int, hidden: int, channels_out: int, side: int, style: Style, last: bool = False
    ) -> None:
        super().__init__()
        self.last = last
        self.first = Doubling(channels_in, hidden, 2 * side, style)
        self.second = Doubling(hidden, channels_out, 4 * side, style)
        self.first_residual = NormalisedConvolution(hidden, hidden, 3) if style.residual else None
        self.second_residual = NormalisedConvolution(channels_out, channels_out, 3) if style.residual else None

    def forward(self, features: Tensor) -> Tensor:
        for change, residual, linear in (
            (self.first, self.first_residual, False),
            (self.second, self.second_residual, self.last),
        ):
            features = change(features) if linear else activate(change(features))
            if residual is not None:
                features = residual(features) + features
                features = features if linear else activate(features)
        return features


def texture_encoder(shape: TextureShape, width: int, residual: bool) -> nn.Sequential:
    """(B, 3, U, U) -> (B, width * 2 ** (blocks - 1), grid, grid)."""
    widths = [width * 2**level for level in range(shape.blocks)]
    return nn.Sequential(*(Reduction(a, b, residual) for a, b in itertools.pairwise([3, *widths])))


def texture_decoder(shape: TextureShape, channels_in: int, width: int, style: Style) -> nn.Sequential:
    """(B, channels_in, grid, grid) -> (B, 3, U, U); ``width`` is that of the last channels before colour."""
    inner = [width * 2**level for level in reversed(range(shape.blocks - 1))]
    channels = [channels_in, *inner, 3]
    return nn.Sequential(
        *(
            Enlargement(before, before, after, shape.grid * 4**level, style, last=level == shape.blocks - 1)
            for level, (before, after) in enumerate(itertools.pairwise(channels))
        )
    )
