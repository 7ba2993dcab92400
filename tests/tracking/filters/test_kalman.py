"""The Kalman smoother against the least-squares solution of the same model, and block by block as at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from steadyface.errors import InputError
from steadyface.metrics.geometry_errors import rotation_angles_deg
from steadyface.tracking.filters.kalman import (
    KalmanPass,
    KalmanSettings,
    frames_ahead,
    measurement_variance,
    run_gains,
)

SETTINGS = KalmanSettings(0.5, 40.0, 3.0)


def uneven_times(frames: int) -> torch.Tensor:
    return 5.0 + (0.02 + 0.04 * torch.rand(frames, dtype=torch.float64)).cumsum(0)


def textbook_filter(values, time_s, variance, settings):
    """One number through the textbook's filter: predict, then correct; x and v after each frame."""
    state, covariance, out = np.array([values[0], 0.0]), np.diag([variance[0], settings.start_speed**2]), []
    out.append(state)
    for i in range(1, len(values)):
        h = time_s[i] - time_s[i - 1]
        move, seen = np.array([[1, h], [0, 1]]), np.array([[1.0, 0.0]])
        noise = settings.acceleration_density * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
        state, covariance = move @ state, move @ covariance @ move.T + noise
        gain = covariance @ seen.T / (seen @ covariance @ seen.T + variance[i])
        state = state + (gain * (values[i] - seen @ state)).ravel()
        covariance = covariance - gain @ seen @ covariance
        out.append(state)
    return np.array(out)


def dense_least_squares(values, time_s, variance, settings):
    """The most likely path of all positions and velocities at once: weighted linear least squares."""
    frames, rows, right = len(values), [], []

    def add(columns, target, covariance):
        """Rows with residual ``A s - target`` of that covariance, whitened."""
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        block = np.zeros((len(target), 2 * frames))
        for column, part in columns.items():
            block[:, column : column + part.shape[1]] = part
        rows.append(whiten @ block)
        right.append(whiten @ target)

    add({1: np.eye(1)}, np.zeros(1), np.array([[settings.start_speed**2]]))
    for i in range(frames):
        add({2 * i: np.eye(1)}, np.array([values[i]]), np.array([[variance[i]]]))
        if i:
            h = time_s[i] - time_s[i - 1]
            noise = settings.acceleration_density * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
            add({2 * i - 2: -np.array([[1, h], [0, 1]]), 2 * i: np.eye(2)}, np.zeros(2), noise)
    return np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0][::2]


def smooth(values, gains, rotations=False):
    return KalmanPass(gains, rotations).smooth(values, len(values))


@pytest.mark.parametrize("frames", [1, 2, 3, 40])
def test_the_smoother_is_the_least_squares_path(frames) -> None:
    time_s, values = uneven_times(frames), torch.randn(frames, 2, 3, dtype=torch.float64).cumsum(0)
    variance = measurement_variance(torch.rand(frames), SETTINGS.deviation)
    found = smooth(values, run_gains(time_s, variance, SETTINGS))
    for column in ((0, 0), (1, 2)):
        numbers = values[:, column[0], column[1]].numpy()
        expected = dense_least_squares(numbers, time_s.numpy(), variance, SETTINGS)
        np.testing.assert_allclose(found[:, column[0], column[1]].numpy(), expected, rtol=0, atol=1e-8)


def test_the_last_frame_is_the_textbooks_filter() -> None:
    """The smoother has nothing to add at the end: what it says of a run's last frame is the forward filter's."""
    time_s, values = uneven_times(30), torch.randn(30, 1, dtype=torch.float64).cumsum(0)
    variance = measurement_variance(torch.rand(30), SETTINGS.deviation)
    expected = textbook_filter(values[:, 0].numpy(), time_s.numpy(), variance, SETTINGS)
    for end in (1, 2, 10, 30):
        gains = run_gains(time_s[:end], variance[:end], SETTINGS)
        assert float(smooth(values[:end], gains)[-1]) == pytest.approx(expected[end - 1, 0], abs=1e-9)


def test_blocks_with_the_frames_ahead_are_the_run_at_once() -> None:
    frames, block = 300, 37
    time_s, confidence = uneven_times(frames), torch.rand(frames)
    confidence[120:170] = 0.0  # memory is longer where nothing is trusted
    gains = run_gains(time_s, measurement_variance(confidence, 0.1), KalmanSettings(0.1, 5200.0, 20.0))
    values = torch.randn(frames, 4, dtype=torch.float64)
    whole, parts, pieces, looked = smooth(values, gains), KalmanPass(gains), [], []
    for first in range(0, frames, block):
        end = min(first + block, frames)
        looked.append(frames_ahead(gains, end))
        pieces.append(parts.smooth(values[first : end + looked[-1]], end - first))
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=2e-3)  # of values of about 1
    assert max(looked) < 60 and looked[-1] == 0


def test_turns_about_one_axis_are_smoothed_as_their_angle() -> None:
    time_s, axis = uneven_times(50), torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5]).double(), dim=0)
    angles = 0.2 * torch.randn(50, 1, dtype=torch.float64).cumsum(0)
    gains = run_gains(time_s, measurement_variance(torch.rand(50), 0.5), SETTINGS)
    found = smooth(axis_angle_to_matrix(angles * axis), gains, rotations=True)
    torch.testing.assert_close(found, axis_angle_to_matrix(smooth(angles, gains) * axis), rtol=0, atol=1e-9)


def test_any_turns_stay_rotations_and_come_nearer_to_the_truth() -> None:
    time_s = torch.arange(90).double() / 30
    truth = axis_angle_to_matrix(torch.stack([0.5 * time_s.sin(), 0.6 * (2 * time_s).cos(), 0.3 * time_s], dim=1))
    noisy = truth @ axis_angle_to_matrix(0.02 * torch.randn(90, 3).double())
    gains = run_gains(time_s, measurement_variance(torch.ones(90), 0.02), KalmanSettings(0.02, 3.0, 1.0))
    found = smooth(noisy, gains, rotations=True)
    identity = torch.eye(3).double().expand(90, 3, 3)
    torch.testing.assert_close(found @ found.transpose(1, 2), identity, atol=1e-9, rtol=0)
    assert float(rotation_angles_deg(found, truth).mean()) < 0.7 * float(rotation_angles_deg(noisy, truth).mean())


def test_steady_motion_passes_unchanged() -> None:
    time_s = uneven_times(40)
    steady = (time_s - time_s[0])[:, None] * torch.tensor([1.0, -2.0]).double() + 7.0
    gains = run_gains(time_s, measurement_variance(torch.ones(40), 0.01), KalmanSettings(0.01, 10.0, 1e6))
    torch.testing.assert_close(smooth(steady, gains), steady, rtol=0, atol=1e-6)


def test_a_doubtful_frame_weighs_less() -> None:
    time_s, values = torch.arange(21).double() / 30, torch.zeros(21, 1, dtype=torch.float64)
    values[10] = 1.0
    pulled = []
    for trust in (1.0, 0.5, 0.0, float("nan")):
        confidence = torch.ones(21)
        confidence[10] = trust
        gains = run_gains(time_s, measurement_variance(confidence, 0.5), SETTINGS)
        pulled.append(float(smooth(values, gains)[10]))
    assert pulled[0] > 2 * pulled[1] > 2 * pulled[2] > 0 and pulled[3] == pulled[0]


def test_numbers_that_make_no_filter_are_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        run_gains(uneven_times(3), np.ones(3), KalmanSettings(1.0, 0.0, 1.0))
