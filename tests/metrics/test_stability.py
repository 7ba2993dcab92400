"""Motion metrics against slow loops, at uneven time stamps too."""

from __future__ import annotations

import math

import pytest
import torch

from steadyface.errors import InputError
from steadyface.metrics import stability
from steadyface.metrics.lag import LagMs, lag_ms

UNEVEN = torch.tensor([0.0, 0.033, 0.066, 0.12, 0.15, 0.2], dtype=torch.float64)


def _norm(vector):
    return math.sqrt(sum(float(x) ** 2 for x in vector))


def _loop_acceleration(points, time_s):
    """Twice the leading coefficient of the parabola through each three frames, by Lagrange."""
    norms = []
    for t in range(1, len(points) - 1):
        t0, t1, t2 = (float(time_s[t + k]) for k in (-1, 0, 1))
        for i in range(points.shape[1]):
            p0, p1, p2 = (points[t + k, i].double() for k in (-1, 0, 1))
            second = 2 * (
                p0 / ((t0 - t1) * (t0 - t2)) + p1 / ((t1 - t0) * (t1 - t2)) + p2 / ((t2 - t0) * (t2 - t1))
            )
            norms.append(_norm(second))
    return sum(norms) / len(norms)


@pytest.mark.parametrize(
    ("function", "metric", "width"),
    [
        (stability.acceleration_mm_s2, stability.AccelerationMmS2, 3),
        (stability.acceleration_px_s2, stability.AccelerationPxS2, 2),
    ],
)
def test_acceleration_is_the_second_derivative_at_true_times(function, metric, width):
    points = torch.randn(6, 4, width)
    expected = _loop_acceleration(points, UNEVEN)
    assert float(function(points, UNEVEN)) == pytest.approx(expected, rel=1e-9)
    counted = metric()
    counted.update(points, UNEVEN)
    assert float(counted.compute()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "metric", "width"),
    [
        (stability.acceleration_error_mm_s2, stability.AccelerationErrorMmS2, 3),
        (stability.acceleration_error_px_s2, stability.AccelerationErrorPxS2, 2),
    ],
)
def test_acceleration_error_compares_accelerations(function, metric, width):
    predicted, truth = torch.randn(6, 4, width), torch.randn(6, 4, width)
    expected = _loop_acceleration(predicted.double() - truth.double(), UNEVEN)
    assert float(function(predicted, truth, UNEVEN)) == pytest.approx(expected, rel=1e-9)
    assert float(function(truth + 5.0, truth, UNEVEN)) == pytest.approx(0.0, abs=1e-2)  # blind to an offset
    counted = metric()
    counted.update(predicted, truth, UNEVEN)
    counted.update(predicted[:4], truth[:4], UNEVEN[:4])
    first, second = expected, _loop_acceleration((predicted - truth)[:4], UNEVEN[:4])
    assert float(counted.compute()) == pytest.approx((4 * first + 2 * second) / 6, rel=1e-5)


def test_a_parabola_has_its_own_acceleration():
    time = UNEVEN[:, None, None]
    points = 0.5 * 7.0 * time**2 * torch.tensor([1.0, 0.0, 0.0]) + 3.0 * time
    assert float(stability.acceleration_mm_s2(points, UNEVEN)) == pytest.approx(7.0, rel=1e-6)


def test_the_stability_ratio_is_a_ratio_of_sums():
    points = torch.randn(6, 4, 3)
    way = chord = 0.0
    for t in range(1, 5):
        for i in range(4):
            way += _norm(points[t, i] - points[t - 1, i]) + _norm(points[t + 1, i] - points[t, i])
            chord += _norm(points[t + 1, i] - points[t - 1, i])
    assert float(stability.stability_ratio(points)) == pytest.approx(way / chord, rel=1e-6)
    metric = stability.StabilityRatio()
    metric.update(points)
    assert float(metric.compute()) == pytest.approx(way / chord, rel=1e-6)


def test_motion_gain_is_the_projection_on_true_motion_by_region():
    truth = torch.randn(6, 5, 3)
    region = torch.tensor([0, 3])
    halved = truth.clone()
    halved[:, region] *= 0.5
    assert float(stability.motion_gain(halved, truth, region)) == pytest.approx(0.5, rel=1e-6)
    noisy = 0.8 * truth + 0.5 * torch.randn_like(truth)
    top = bottom = 0.0
    for t in range(5):
        for i in range(5):
            motion, true_motion = noisy[t + 1, i] - noisy[t, i], truth[t + 1, i] - truth[t, i]
            top += float((motion * true_motion).sum())
            bottom += float((true_motion**2).sum())
    metric = stability.MotionGain()
    metric.update(noisy, truth)
    assert float(metric.compute()) == pytest.approx(top / bottom, rel=1e-5)


def _speech(time_s):
    return torch.stack([torch.sin(9 * time_s) + 0.5 * torch.sin(23 * time_s + k) for k in range(6)], dim=1)


@pytest.mark.parametrize("frames", [-3.0, 0.0, 1.0, 2.4])
def test_lag_finds_a_delay_to_a_fraction_of_a_frame(frames):
    time_s = torch.arange(120, dtype=torch.float64) / 30
    truth = _speech(time_s)[..., None]
    predicted = _speech(time_s - frames / 30)[..., None]
    found = lag_ms(predicted, truth, time_s)
    assert float(found) == pytest.approx(frames * 1000 / 30, abs=4.0)
    metric = LagMs()
    metric.update(predicted, truth, time_s)
    metric.update(predicted[20:90], truth[20:90], time_s[20:90])
    assert float(metric.compute()) == pytest.approx(frames * 1000 / 30, abs=4.0)


def test_lag_against_a_slow_correlation():
    time_s = torch.arange(40, dtype=torch.float64) / 30
    truth = torch.randn(40, 3, 2).double()
    predicted = truth.roll(2, dims=0) + 0.5 * torch.randn(40, 3, 2).double()
    fast = [[_norm(predicted[t + 1, i] - predicted[t, i]) for i in range(3)] for t in range(39)]
    true = [[_norm(truth[t + 1, i] - truth[t, i]) for i in range(3)] for t in range(39)]
    scores = {}
    for shift in range(-5, 6):
        pairs = [(t + shift, t) for t in range(39) if 0 <= t + shift < 39]
        cross = own = other = 0.0
        for i in range(3):
            mean_p = sum(fast[p][i] for p, _ in pairs) / len(pairs)
            mean_q = sum(true[q][i] for _, q in pairs) / len(pairs)
            for p, q in pairs:
                cross += (fast[p][i] - mean_p) * (true[q][i] - mean_q)
                own += (fast[p][i] - mean_p) ** 2
                other += (true[q][i] - mean_q) ** 2
        scores[shift] = cross / math.sqrt(own * other)
    best = max(scores, key=scores.__getitem__)
    assert abs(best) < 5
    a, b, c = scores[best - 1], scores[best], scores[best + 1]
    expected = best + 0.5 * (a - c) / (a - 2 * b + c)
    assert float(lag_ms(predicted, truth, time_s, max_shift=5)) == pytest.approx(
        expected * 1000 / 30, rel=1e-6
    )


def test_a_lag_beyond_the_range_is_not_made_up():
    time_s = torch.arange(120, dtype=torch.float64) / 30
    truth, predicted = (torch.sin(2 * (time_s - late)).view(-1, 1, 1) for late in (0.0, 6 / 30))
    assert math.isnan(float(lag_ms(predicted, truth, time_s, max_shift=4)))
    assert float(lag_ms(predicted, truth, time_s, max_shift=9)) == pytest.approx(200, abs=10)


def test_a_still_face_has_no_lag():
    still = torch.ones(40, 3, 2)
    assert math.isnan(float(lag_ms(still, torch.randn(40, 3, 2), torch.arange(40) / 30)))


def test_what_is_no_clip_is_refused():
    with pytest.raises(InputError, match="at least 3 frames"):
        stability.acceleration_mm_s2(torch.randn(2, 4, 3), torch.arange(2) / 30)
    with pytest.raises(InputError, match="increasing"):
        stability.acceleration_mm_s2(torch.randn(3, 4, 3), torch.tensor([0.0, 0.1, 0.1]))
    with pytest.raises(InputError, match="at least 24 frames"):
        lag_ms(torch.randn(10, 4, 3), torch.randn(10, 4, 3), torch.arange(10) / 30)
