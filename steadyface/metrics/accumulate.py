"""What the metric classes share: a ratio of two float64 sums that add over batches and processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

Terms = tuple[Tensor, Tensor]  # numerator and denominator of a ratio of sums, float64 scalars


class RatioOfSums(Metric):
    """A metric that is one sum divided by another: nan until something was counted.

    Subclasses implement ``update`` and call ``add`` with the two sums of their batch. The sums are
    kept in float64, because 10^9 vertex errors added in float32 lose their last digits.
    """

    is_differentiable = False
    full_state_update = False
    numerator: Tensor
    denominator: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zero = torch.zeros((), dtype=torch.float64)
        self.add_state("numerator", zero, dist_reduce_fx="sum")
        self.add_state("denominator", zero.clone(), dist_reduce_fx="sum")

    def add(self, terms: Terms) -> None:
        """Add a batch's numerator and denominator."""
        self.numerator += terms[0].to(self.numerator)
        self.denominator += terms[1].to(self.denominator)

    def compute(self) -> Tensor:
        """The ratio over everything seen, a float64 scalar."""
        return self.numerator / self.denominator


def ratio(terms: Terms) -> Tensor:
    """Numerator over denominator; nan for an empty set."""
    return terms[0] / terms[1]


def mean_terms(values: Tensor) -> Terms:
    """Sum and count of ``values``, any shape."""
    count = torch.tensor(values.numel(), dtype=torch.float64, device=values.device)
    return values.double().sum(), count


def masked_terms(values: Tensor, mask: Tensor) -> Terms:
    """Sum over the mask and number of values in it, for each sample.

    Args:
        values: (B, C, H, W).
        mask: (B, 1, H, W) in [0, 1], a weight for each pixel.

    Returns:
        Two (B,) float64 tensors.
    """
    weight = mask.double().expand_as(values)
    # a masked-out nan (an unseen texel) times zero would still be nan
    inside = torch.where(weight > 0, values.double(), 0.0)
    return (inside * weight).sum(dim=(1, 2, 3)), weight.sum(dim=(1, 2, 3))


def total(terms: Terms) -> Terms:
    """The terms of each sample, (B,), added up."""
    return terms[0].sum(), terms[1].sum()
