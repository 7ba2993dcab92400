"""Local contrast normalisation in texture space: what is left of an image when its light is taken away."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def box_sum(values: Tensor, radius: int) -> Tensor:
    """Sum over the square of side 2 radius + 1 around each texel, (..., H, W); zeros beyond the border.

    By running sums along one axis after the other: the cost does not grow with the radius.
    """
    for axis in (-1, -2):
        values = values.transpose(axis, -1)
        running = pad(values, [radius + 1, radius]).cumsum(-1)
        length = values.shape[-1]
        values = running[..., 2 * radius + 1 :] - running[..., :length]
        values = values.transpose(axis, -1)
    return values


def _local_mean(values: Tensor, mask: Tensor, radius: int) -> Tensor:
    """Mean over the mask's texels within a square of 2 radius + 1; 0 where there are none."""
    return box_sum(values * mask, radius) / box_sum(mask, radius).clamp(min=0.5)


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
    centred = texture - _local_mean(texture, mask, radius)
    variance = _local_mean(centred.square(), mask, radius).clamp(min=0.0)
    return centred / torch.sqrt(variance + floor**2) * mask


def local_deviation(texture: Tensor, mask: Tensor, radius: int = 6) -> Tensor:
    """Local standard deviation over the masked texels, (B, C, U, U) -> (B, C, U, U)."""
    centred = texture - _local_mean(texture, mask, radius)
    return _local_mean(centred.square(), mask, radius).clamp(min=0.0).sqrt()
