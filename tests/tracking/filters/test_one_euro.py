"""The 1-Euro filter against the paper's scalar algorithm, on the rotation manifold, and where it begins anew."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.errors import InputError
from steadyface.metrics.geometry_errors import rotation_angles_deg
from steadyface.tracking.filters.one_euro import OneEuro, OneEuroSettings

SETTINGS = OneEuroSettings(1.5, 0.7, 1.2)


def uneven_times(frames: int) -> list[float]:
    """True time stamps: between 20 and 60 ms apart."""
    return (5.0 + (0.02 + 0.04 * torch.rand(frames, dtype=torch.float64)).cumsum(0)).tolist()


class PaperLowPass:
    """Casiez et al. 2012, algorithm 2."""

    def __init__(self) -> None:
        self.first, self.hatxprev = True, 0.0

    def filter(self, x: float, alpha: float) -> float:
        if self.first:
            self.first, self.hatxprev = False, x
        hatx = alpha * x + (1 - alpha) * self.hatxprev
        self.hatxprev = hatx
        return hatx


def paper_filter(values: list[float], times: list[float], settings: OneEuroSettings) -> list[float]:
    """Casiez et al. 2012, algorithms 1 and 3, word for word."""

    def alpha(rate: float, cutoff: float) -> float:
        tau, te = 1.0 / (2 * math.pi * cutoff), 1.0 / rate
        return 1.0 / (1.0 + tau / te)

    first_time, xfilt, dxfilt, out = True, PaperLowPass(), PaperLowPass(), []
    for i, x in enumerate(values):
        rate = 1.0 if first_time else 1.0 / (times[i] - times[i - 1])
        dx = 0.0 if first_time else (x - xfilt.hatxprev) * rate
        first_time = False
        edx = dxfilt.filter(dx, alpha(rate, settings.speed_cutoff_hz))
        cutoff = settings.still_cutoff_hz + settings.speed_coefficient * abs(edx)
        out.append(xfilt.filter(x, alpha(rate, cutoff)))
    return out


def test_numbers_by_themselves_are_filtered_as_in_the_paper() -> None:
    times = uneven_times(60)
    values = torch.randn(60, 4, 1, dtype=torch.float64).cumsum(0)
    euro = OneEuro(SETTINGS)
    found = torch.stack([euro.step(t, value) for t, value in zip(times, values, strict=True)])
    for column in range(4):
        expected = paper_filter(values[:, column, 0].tolist(), times, SETTINGS)
        torch.testing.assert_close(found[:, column, 0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_result_does_not_depend_on_the_axes() -> None:
    times, values = uneven_times(40), torch.randn(40, 5, 3, dtype=torch.float64).cumsum(0)
    turn = axis_angle_to_matrix(torch.tensor([0.3, -1.0, 0.5]).double())
    one, other = OneEuro(SETTINGS), OneEuro(SETTINGS)
    for t, value in zip(times, values, strict=True):
        torch.testing.assert_close(one.step(t, value) @ turn.T, other.step(t, value @ turn.T))


def test_turns_about_one_axis_are_filtered_as_their_angle() -> None:
    times, axis = uneven_times(60), torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5]).double(), dim=0)
    angles = 0.2 * torch.randn(60, dtype=torch.float64).cumsum(0)  # beyond half a turn, too
    euro = OneEuro(SETTINGS, rotations=True)
    found = [euro.step(t, axis_angle_to_matrix(a * axis)) for t, a in zip(times, angles, strict=True)]
    expected = torch.tensor(paper_filter(angles.tolist(), times, SETTINGS), dtype=torch.float64)
    torch.testing.assert_close(torch.stack(found), axis_angle_to_matrix(expected[:, None] * axis), rtol=0, atol=1e-9)


def test_any_turns_stay_rotations_and_lose_noise() -> None:
    time_s = torch.arange(80).double() / 30
    truth = axis_angle_to_matrix(torch.stack([0.3 * time_s.sin(), 0.4 * (2 * time_s).cos(), 0.1 * time_s], dim=1))
    noisy = truth @ axis_angle_to_matrix(0.02 * torch.randn(80, 3).double())
    euro = OneEuro(OneEuroSettings(2.0, 8.0), rotations=True)
    found = torch.stack([euro.step(float(t), turn) for t, turn in zip(time_s, noisy, strict=True)])
    identity = torch.eye(3).double().expand(80, 3, 3)
    torch.testing.assert_close(found @ found.transpose(1, 2), identity, atol=1e-9, rtol=0)
    jitter = [rotation_angles_deg(turns[1:], turns[:-1]).mean() for turns in (found, noisy)]
    assert float(jitter[0]) < 0.7 * float(jitter[1])


def test_half_a_turn_at_once_is_followed() -> None:
    euro, turned = OneEuro(SETTINGS, rotations=True), torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    euro.step(0.0, torch.eye(3))
    for frame in range(1, 60):
        found = euro.step(frame / 30, turned)
    torch.testing.assert_close(found, turned, atol=1e-3, rtol=0)


def test_it_begins_anew_when_told_and_when_time_does() -> None:
    euro, far = OneEuro(SETTINGS), torch.full((3,), 100.0)
    euro.step(0.0, torch.zeros(3))
    assert not torch.equal(euro.step(0.1, far), far)
    euro.restart()
    assert torch.equal(euro.step(0.2, 2 * far), 2 * far)
    assert torch.equal(euro.step(0.2, far), far)


def test_numbers_that_make_no_filter_are_refused() -> None:
    with pytest.raises(InputError, match="above 0 Hz"):
        OneEuro(OneEuroSettings(0.0, 1.0))
