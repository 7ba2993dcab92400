"""A penalty that is quadratic for small residuals and linear for large ones, and means over a mask."""

from __future__ import annotations

import torch
from torch import Tensor


def charbonnier(residual: Tensor, scale: float) -> Tensor:
    """``sqrt(r^2 + scale^2) - scale``: smooth everywhere, slope 1 far from 0. Any shape."""
    return torch.sqrt(residual.square() + scale**2) - scale


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under a weight that broadcasts to them; 0 where the weight is 0 everywhere.

    >>> masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 0.0]))
    tensor(1.)
    """
    weight = weight.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
