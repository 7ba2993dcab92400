"""How late the tracked motion is: the shift that best correlates predicted and true vertex speed."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    late, early = _Overlaps.of(fast, max_shift), _Overlaps.of(true_fast, max_shift)
    sums = torch.zeros(3, 2 * max_shift + 1, dtype=torch.float64, device=fast.device)
    for column, shift in enumerate(range(-max_shift, max_shift + 1)):
        count = steps - abs(shift)
        first, true_first = max(shift, 0), max(-shift, 0)
        products = torch.dot(
            fast[first : first + count].flatten(), true_fast[true_first : true_first + count].flatten()
        )
        mean, true_mean = late.mean(shift), early.mean(-shift)
        sums[0, column] = products - count * torch.dot(mean, true_mean)
        sums[1, column] = late.energy(shift) - count * torch.dot(mean, mean)
        sums[2, column] = early.energy(-shift) - count * torch.dot(true_mean, true_mean)
    return sums


class _Overlaps(NamedTuple):
    """Means and energies of speeds (S, N) over what is left when frames are cut off one end.

    Shapes: dropped (2, shifts + 1, N), the sums over the first and over the last 0, 1, 2 ... frames;
    energies (2, shifts + 1) likewise, of squares over all vertices; whole (N,) and energy over all frames.
    """

    dropped: Tensor
    energies: Tensor
    whole: Tensor
    whole_energy: Tensor
    steps: int

    @classmethod
    def of(cls, speed: Tensor, shifts: int) -> _Overlaps:
        squares = speed.square().sum(dim=1)
        dropped, energies = (
            torch.stack([values[:shifts], values.flip(0)[:shifts]]) for values in (speed, squares)
        )
        dropped = torch.cat([dropped.new_zeros(2, 1, speed.shape[1]), dropped], dim=1).cumsum(dim=1)
        energies = torch.cat([energies.new_zeros(2, 1), energies], dim=1).cumsum(dim=1)
        return cls(dropped, energies, speed.sum(dim=0), squares.sum(), len(speed))

    def mean(self, shift: int) -> Tensor:
        """Mean speed (N,) without the first ``shift`` frames, or without the last ones where it is negative."""
        return (self.whole - self.dropped[int(shift < 0), abs(shift)]) / (self.steps - abs(shift))

    def energy(self, shift: int) -> Tensor:
        """Sum of squares over the same frames."""
        return self.whole_energy - self.energies[int(shift < 0), abs(shift)]


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
