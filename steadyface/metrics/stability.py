"""How steadily the face moves: accelerations, the stability ratio, and whether motion is damped.

Every function takes one clip's frames in order; a class adds clips up, one clip an ``update``. Points
are head-frame vertices (canonical, mm) or projected vertices (px): two different quantities.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from steadyface.errors import InputError
from steadyface.metrics.accumulate import RatioOfSums, Terms, mean_terms, ratio


def _check_sequence(points: Tensor, needed: int) -> None:
    if points.ndim != 3 or points.shape[0] < needed:
        raise InputError(
            "a clip to measure motion in", f"(T, N, D) points of at least {needed} frames",
            f"shape {tuple(points.shape)}", "give one whole clip, its frames in order",
        )  # fmt: skip


def accelerations(points: Tensor, time_s: Tensor) -> Tensor:
    """Second differences over the true time stamps, (T - 2, N, D) per second squared, float64.

    Three frames at uneven times define a parabola; this is its second derivative:
    ``2 ((p3 - p2) / h2 - (p2 - p1) / h1) / (h1 + h2)``.

    Args:
        points: (T, N, D), T >= 3.
        time_s: (T,) seconds, increasing.
    """
    _check_sequence(points, 3)
    step = time_s.to(points.device).double().diff()
    if not bool((step > 0).all()):
        raise InputError(
            "time stamps", "increasing seconds", "two frames at one time", "drop repeated frames"
        )
    velocity = points.double().diff(dim=0) / step[:, None, None]
    return 2.0 * velocity.diff(dim=0) / (step[1:] + step[:-1])[:, None, None]


def speeds(points: Tensor, time_s: Tensor) -> Tensor:
    """Speed of every point between neighbouring frames, (T - 1, N) units per second, float64."""
    _check_sequence(points, 2)
    return points.double().diff(dim=0).norm(dim=-1) / time_s.to(points.device).double().diff()[:, None]


def _acceleration_error_terms(predicted: Tensor, truth: Tensor, time_s: Tensor) -> Terms:
    # differencing is linear, so the error's acceleration is the acceleration's error
    return mean_terms(accelerations(predicted.double() - truth.double(), time_s).norm(dim=-1))


def acceleration_error_mm_s2(predicted: Tensor, truth: Tensor, time_s: Tensor) -> Tensor:
    """Mean norm of the acceleration's error in the head frame; points (T, N, 3) mm, time (T,) s."""
    return ratio(_acceleration_error_terms(predicted, truth, time_s))


def acceleration_error_px_s2(predicted: Tensor, truth: Tensor, time_s: Tensor) -> Tensor:
    """Mean norm of the acceleration's error in the picture; points (T, N, 2) px, time (T,) s."""
    return ratio(_acceleration_error_terms(predicted, truth, time_s))


def acceleration_mm_s2(points: Tensor, time_s: Tensor) -> Tensor:
    """Mean norm of the acceleration in the head frame, without truth; points (T, N, 3) mm."""
    return ratio(mean_terms(accelerations(points, time_s).norm(dim=-1)))


def acceleration_px_s2(points: Tensor, time_s: Tensor) -> Tensor:
    """Mean norm of the acceleration in the picture, without truth; points (T, N, 2) px."""
    return ratio(mean_terms(accelerations(points, time_s).norm(dim=-1)))


def _stability_terms(points: Tensor) -> Terms:
    _check_sequence(points, 3)
    points = points.double()
    step = points.diff(dim=0).norm(dim=-1)
    return (step[1:] + step[:-1]).sum(), (points[2:] - points[:-2]).norm(dim=-1).sum()


def stability_ratio(points: Tensor) -> Tensor:
    """Length of the way over two frames divided by its chord; >= 1, 1 = straight motion.

    A ratio of sums: the mean of ratios explodes where motion turns. Blind to the noise's size on a
    still face and rewarded by lag, so never report it alone.

    Args:
        points: (T, N, D), frames in order.

    >>> import torch
    >>> line = torch.arange(5.0)[:, None, None].expand(5, 2, 3)
    >>> float(stability_ratio(line))
    1.0
    """
    return ratio(_stability_terms(points))


def _gain_terms(predicted: Tensor, truth: Tensor, region: Tensor | None) -> Terms:
    _check_sequence(predicted, 2)
    if region is not None:
        predicted, truth = predicted[:, region], truth[:, region]
    motion, true_motion = predicted.double().diff(dim=0), truth.double().diff(dim=0)
    return (motion * true_motion).sum(), true_motion.square().sum()


def motion_gain(predicted: Tensor, truth: Tensor, region: Tensor | None = None) -> Tensor:
    """Share of the true motion that the prediction shows: 1 = neither damped nor exaggerated.

    The projection of predicted onto true frame-to-frame motion; a ratio of energies would hide
    damping behind noise.

    Args:
        predicted: (T, N, D).
        truth: (T, N, D).
        region: (n,) long, the vertices to look at; all of them when None.
    """
    return ratio(_gain_terms(predicted, truth, region))


class AccelerationErrorMmS2(RatioOfSums):
    """`acceleration_error_mm_s2` over clips."""

    def update(self, predicted: Tensor, truth: Tensor, time_s: Tensor) -> None:
        """Add one clip's canonical vertices, (T, N, 3) mm, at (T,) s."""
        self.add(_acceleration_error_terms(predicted, truth, time_s))


class AccelerationErrorPxS2(RatioOfSums):
    """`acceleration_error_px_s2` over clips."""

    def update(self, predicted: Tensor, truth: Tensor, time_s: Tensor) -> None:
        """Add one clip's projected vertices, (T, N, 2) px, at (T,) s."""
        self.add(_acceleration_error_terms(predicted, truth, time_s))


class AccelerationMmS2(RatioOfSums):
    """`acceleration_mm_s2` over clips."""

    def update(self, points: Tensor, time_s: Tensor) -> None:
        """Add one clip's canonical vertices, (T, N, 3) mm, at (T,) s."""
        self.add(mean_terms(accelerations(points, time_s).norm(dim=-1)))


class AccelerationPxS2(RatioOfSums):
    """`acceleration_px_s2` over clips."""

    def update(self, points: Tensor, time_s: Tensor) -> None:
        """Add one clip's projected vertices, (T, N, 2) px, at (T,) s."""
        self.add(mean_terms(accelerations(points, time_s).norm(dim=-1)))


class StabilityRatio(RatioOfSums):
    """`stability_ratio` over clips."""

    def update(self, points: Tensor) -> None:
        """Add one clip's points, (T, N, D), frames in order."""
        self.add(_stability_terms(points))


class MotionGain(RatioOfSums):
    """`motion_gain` over clips; ``region`` (n,) long picks vertices, all when None."""

    region: Tensor | None

    def __init__(self, region: Tensor | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.register_buffer("region", region, persistent=False)

    def update(self, predicted: Tensor, truth: Tensor) -> None:
        """Add one clip's points, both (T, N, D)."""
        self.add(_gain_terms(predicted, truth, self.region))
