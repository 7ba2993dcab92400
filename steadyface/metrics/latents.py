"""How far a latent lies from what the lab has shown: the Mahalanobis norm."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from steadyface.metrics.accumulate import RatioOfSums, mean_terms, ratio


class LatentStatistics(NamedTuple):
    """Mean (Z,) and covariance (Z, Z) of the lab's latents, float64."""

    mean: Tensor
    covariance: Tensor


def latent_statistics(means: Tensor, variances: Tensor | None = None) -> LatentStatistics:
    """Statistics of the aggregate posterior: the mixture of the lab frames' Gaussians.

    Args:
        means: (M, Z), posterior means of the lab's frames.
        variances: (M, Z), their posterior variances; 0 when None.

    Returns:
        The mixture's mean, and its covariance: that of the means plus the mean variance.
    """
    means = means.double()
    covariance = torch.cov(means.t(), correction=0).reshape(means.shape[1], means.shape[1])
    if variances is not None:
        covariance = covariance + torch.diag(variances.double().mean(dim=0))
    return LatentStatistics(means.mean(dim=0), covariance)


def latent_distances(latent: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Mahalanobis norms, (B,) float64: about sqrt(Z) for a latent as usual as the lab's own.

    Args:
        latent: (B, Z).
        mean: (Z,).
        covariance: (Z, Z), symmetric and positive semi-definite; a millionth of its mean diagonal
            is added, so that a direction in which the lab never moved does not divide by zero.
    """
    covariance = covariance.double()
    ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(mean)).to(covariance))
    difference = (latent.double() - mean.double()).t()
    return torch.linalg.solve_triangular(factor, difference, upper=False).norm(dim=0)


def latent_distance(latent: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Mean Mahalanobis norm of latents under the lab's posterior statistics, a scalar.

    Arguments as `latent_distances`; `latent_statistics` makes the mean and the covariance.
    """
    return ratio(mean_terms(latent_distances(latent, mean, covariance)))


class LatentDistance(RatioOfSums):
    """`latent_distance` over batches, under one subject's statistics."""

    mean: Tensor
    covariance: Tensor

    def __init__(self, mean: Tensor, covariance: Tensor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.register_buffer("mean", mean.double(), persistent=False)
        self.register_buffer("covariance", covariance.double(), persistent=False)

    def update(self, latent: Tensor) -> None:
        """Add latents, (B, Z)."""
        self.add(mean_terms(latent_distances(latent, self.mean, self.covariance)))
