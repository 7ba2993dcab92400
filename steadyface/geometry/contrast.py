"""Local contrast normalisation in texture space: what is left of an image when its light is taken away."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def box_sum(values: Tensor, radius: int) -> Tensor:
    """Sum over the square of side 2 radius + 1 around each texel, (..., H, W); zeros beyond the border.

    By running sums along one axis after the other: the cost does not grow with the radius.
    """
    return _BoxSum.apply(values, radius)


class _BoxSum(torch.autograd.Function):
    """The sum is its own adjoint: a texel counts for those that count for it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, radius: int) -> Tensor:
        ctx.radius = radius
        for axis in (-1, -2):
            values = values.transpose(axis, -1)
            running = pad(values, [radius + 1, radius]).cumsum(-1)
            length = values.shape[-1]
            values = running[..., 2 * radius + 1 :] - running[..., :length]
            values = values.transpose(axis, -1)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return box_sum(gradients[0], ctx.radius), None


def normalise_contrast(texture: Tensor, mask: Tensor, radius: int = 6, floor: float = 0.01) -> Tensor:
    """Subtract the local mean and divide by the local deviation, both over the masked texels only.

    Takes away what changes slowly over the face: ambient light, shading, exposure, white balance.
    The deviation is floored (in quadrature), or flat skin would be blown up to pure sensor noise.

    Args:
        texture: (B, C, U, U).
        mask: (B, 1, U, U), 0 or 1; also the shape of what counts.
        radius: half side of the neighbourhood, texels.
        floor: deviation of the sensor's noise, in the texture's units.

    Returns:
        (B, C, U, U), zero outside the mask, invariant to gain (above the floor) and bias.
    """
    centred, variance = _centred_and_variance(texture, mask, radius)
    return centred / torch.sqrt(variance + floor**2) * mask


def local_deviation(texture: Tensor, mask: Tensor, radius: int = 6) -> Tensor:
    """Local standard deviation over the masked texels, (B, C, U, U) -> (B, C, U, U)."""
    return _centred_and_variance(texture, mask, radius)[1].sqrt()


def _centred_and_variance(texture: Tensor, mask: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Less the mean over the mask's texels within a square, and the variance there; where there are none, as it is."""
    count = box_sum(mask, radius).clamp(min=0.5)
    centred = texture - box_sum(texture * mask, radius) / count
    return centred, (box_sum(centred.square() * mask, radius) / count).clamp(min=0.0)
