"""The smoother against SciPy's, on the rotation manifold, and that it delays nothing."""

from __future__ import annotations

import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix
from scipy.signal import savgol_filter

from steadyface.errors import InputError
from steadyface.metrics.geometry_errors import rotation_angles_deg
from steadyface.metrics.lag import lag_ms
from steadyface.tracking.smoothing import (
    savitzky_golay_weights,
    smooth_linear,
    smooth_rotations,
    smooth_track,
)
from steadyface.tracking.track import Track

EVEN = torch.arange(40).double() / 30


def test_even_frames_are_filtered_as_by_scipy():
    values = torch.randn(40, 3, dtype=torch.float64)
    expected = savgol_filter(values.numpy(), 7, 2, axis=0, mode="interp")
    found = smooth_linear(values, savitzky_golay_weights(EVEN))
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-10, rtol=0)


def test_a_parabola_in_uneven_time_passes_unchanged():
    time_s = torch.rand(30, dtype=torch.float64).cumsum(0) + 100.0
    values = torch.stack([2 * time_s**2 - time_s, 5 - 0.1 * time_s**2], dim=1)
    weights = savitzky_golay_weights(time_s)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(30).double())
    torch.testing.assert_close(smooth_linear(values, weights), values, atol=1e-6, rtol=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_a_short_clip_is_one_window(frames):
    values = torch.randn(frames, 2)
    found = smooth_linear(values, savitzky_golay_weights(EVEN[:frames]))
    assert found.shape == values.shape
    if frames <= 3:
        torch.testing.assert_close(found, values, atol=1e-5, rtol=0)  # a parabola fits three frames exactly


def test_rotations_stay_rotations_and_lose_noise():
    axis = torch.tensor([0.2, 1.0, -0.3]).double()
    angle = 2.5 * torch.sin(EVEN * 2)  # turns past what a matrix average would bear
    truth = axis_angle_to_matrix(angle[:, None] * torch.nn.functional.normalize(axis, dim=0))
    noisy = truth @ axis_angle_to_matrix(0.03 * torch.randn(40, 3).double())
    smoothed = smooth_rotations(noisy, savitzky_golay_weights(EVEN))
    identity = torch.eye(3).double().expand(40, 3, 3)
    torch.testing.assert_close(smoothed @ smoothed.transpose(1, 2), identity, atol=1e-9, rtol=0)
    assert float(torch.linalg.det(smoothed).min()) > 0
    before, after = rotation_angles_deg(noisy, truth).mean(), rotation_angles_deg(smoothed, truth).mean()
    assert float(after) < 0.7 * float(before)


def test_still_and_steadily_turning_heads_pass_unchanged():
    weights = savitzky_golay_weights(EVEN)
    still = torch.eye(3).double().repeat(40, 1, 1)
    torch.testing.assert_close(smooth_rotations(still, weights), still)
    steady = axis_angle_to_matrix(EVEN[:, None] * torch.tensor([0.0, 1.5, 0.0]))
    torch.testing.assert_close(smooth_rotations(steady, weights), steady, atol=1e-9, rtol=0)


def test_a_track_is_smoothed_without_lag_and_the_input_stays():
    signal = torch.sin(EVEN * 7)[:, None, None] * torch.randn(1, 12, 3)
    vertices = (signal + 0.1 * torch.randn(40, 12, 3)).float()
    pose = torch.eye(3).repeat(40, 1, 1)
    track = Track(EVEN, torch.randn(40, 2), pose, torch.randn(40, 3), vertices.clone(), pose, torch.zeros(40))
    smoothed = smooth_track(track)
    torch.testing.assert_close(track.vertices, vertices)
    for name in ("vertices", "translation", "latent"):
        assert getattr(smoothed, name).diff(dim=0).norm() < 0.8 * getattr(track, name).diff(dim=0).norm()
    assert bool(smoothed.texture_residual.isnan().all())
    assert float(lag_ms(smoothed.vertices, signal, EVEN)) == pytest.approx(0.0, abs=4.0)


def test_each_run_of_a_track_is_smoothed_by_itself():
    eye, found = torch.eye(3).repeat(40, 1, 1), torch.ones(40, dtype=torch.bool)
    found[15:18] = False
    vertices = torch.where(found[:, None, None], torch.randn(40, 5, 3), torch.nan)
    turns = torch.where(found[:, None, None], eye, torch.nan)
    shot = (torch.arange(40) >= 30).long()
    track = Track(EVEN, torch.randn(40, 2), turns, torch.randn(40, 3), vertices, eye, torch.zeros(40), found, shot)
    smoothed = smooth_track(track)
    for run in (slice(0, 15), slice(18, 30), slice(30, 40)):
        alone = smooth_track(track[run])
        for name in ("vertices", "rotation", "translation", "latent"):
            assert torch.equal(getattr(smoothed, name)[run], getattr(alone, name)) and alone.vertices.isfinite().all()
    assert bool(smoothed.vertices[15:18].isnan().all()) and bool(smoothed.rotation[15:18].isnan().all())
    assert torch.equal(smoothed.found, found) and torch.equal(smoothed.shot, shot)


def test_an_even_window_is_refused():
    with pytest.raises(InputError, match="odd number"):
        savitzky_golay_weights(EVEN, window=6)
