"""How late the tracked motion is: the shift that best correlates predicted and true vertex speed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from steadyface.errors import InputError
from steadyface.metrics.stability import speeds

MAX_SHIFT = 10  # frames either way: a third of a second of a phone clip


def _shift_sums(predicted: Tensor, truth: Tensor, time_s: Tensor, max_shift: int) -> Tensor:
    """Cross, predicted and true energies of the speeds at every shift, (3, 2 * max_shift + 1)."""
    fast, true_fast = speeds(predicted, time_s), speeds(truth, time_s)
    steps = fast.shape[0]
    if steps < 2 * max_shift + 3:
        raise InputError(
            "a clip to measure lag in", f"at least {2 * max_shift + 4} frames", f"{steps + 1}",
            "give a longer clip or a smaller max_shift",
        )  # fmt: skip
    # the correlation does not see a vertex's mean speed, and near zero fewer digits cancel below
    fast, true_fast = fast - fast.mean(dim=0), true_fast - true_fast.mean(dim=0)
    sums = torch.zeros(3, 2 * max_shift + 1, dtype=torch.float64, device=fast.device)
    for column, shift in enumerate(range(-max_shift, max_shift + 1)):
        late = fast[max(shift, 0) : steps + min(shift, 0)]
        early = true_fast[max(-shift, 0) : steps + min(-shift, 0)]
        pairs = ((late, early), (late, late), (early, early))
        sums[:, column] = torch.stack([_covariance(one, other) for one, other in pairs])
    return sums


def _covariance(one: Tensor, other: Tensor) -> Tensor:
    """Sum over frames and vertices of the products of deviations from each vertex's mean."""
    products = torch.dot(one.flatten(), other.flatten())
    return products - len(one) * torch.dot(one.mean(dim=0), other.mean(dim=0))


def _peak_frames(sums: Tensor) -> Tensor:
    """The shift of the highest correlation, refined by a parabola through it and its neighbours."""
    correlation = sums[0] / (sums[1] * sums[2]).sqrt()
    best = int(correlation.argmax())
    centre = (len(correlation) - 1) // 2
    # a peak at the end of the range is none: the true one lies beyond, or there is only noise
    if not bool(correlation.isfinite().all()) or best in (0, len(correlation) - 1):
        return torch.full((), torch.nan, dtype=torch.float64, device=sums.device)
    before, peak, after = correlation[best - 1], correlation[best], correlation[best + 1]
    curvature = before - 2.0 * peak + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else torch.zeros_like(peak)
    return best - centre + offset


def lag_ms(predicted: Tensor, truth: Tensor, time_s: Tensor, max_shift: int = MAX_SHIFT) -> Tensor:
    """How late the predicted motion is, ms; positive = behind the truth.

    Nan on a still face, and where no shift within ``max_shift`` is the best.

    For every shift the speeds of all vertices, each with its mean over the overlap removed, are
    correlated together; a parabola through the best shift and its neighbours gives the fraction.

    Args:
        predicted: (T, N, D) points, canonical head frame or picture.
        truth: (T, N, D).
        time_s: (T,) seconds.
        max_shift: the largest shift tried, frames; T must be at least ``2 * max_shift + 4``.
    """
    frame_s = time_s.double().diff().mean().to(predicted.device)
    return 1000.0 * frame_s * _peak_frames(_shift_sums(predicted, truth, time_s, max_shift))


class LagMs(Metric):
    """`lag_ms` over clips: correlations are pooled before the best shift is sought."""

    is_differentiable = False
    full_state_update = False
    sums: Tensor
    duration_s: Tensor
    steps: Tensor

    def __init__(self, max_shift: int = MAX_SHIFT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_shift = max_shift
        zeros = torch.zeros(3, 2 * max_shift + 1, dtype=torch.float64)
        self.add_state("sums", zeros, dist_reduce_fx="sum")
        self.add_state("duration_s", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("steps", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, truth: Tensor, time_s: Tensor) -> None:
        """Add one clip's points, both (T, N, D), at (T,) s."""
        self.sums += _shift_sums(predicted, truth, time_s, self.max_shift).to(self.sums)
        self.duration_s += (time_s[-1] - time_s[0]).to(self.duration_s)
        self.steps += len(time_s) - 1

    def compute(self) -> Tensor:
        """The lag over everything seen, ms, a float64 scalar."""
        return 1000.0 * self.duration_s / self.steps * _peak_frames(self.sums)
