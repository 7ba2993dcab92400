"""The phone's curve, noise, blur and hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.studio.phone_camera import HandHeld, PhoneCamera, motion_blur, tone_curve, translate


def test_tone_curve_is_monotonic_and_plain_srgb_without_strength() -> None:
    linear = torch.linspace(0, 1, 1001)
    for strength in (0.0, 0.35, 1.0):
        curve = tone_curve(linear, strength)
        assert torch.all(curve.diff() > 0)
        assert curve[0] == 0 and abs(float(curve[-1]) - 1) < 1e-6
    assert abs(float(tone_curve(torch.tensor(0.2140), 0.0)) - 0.5) < 1e-3
    assert float(tone_curve(torch.tensor(0.05), 0.35)) < float(tone_curve(torch.tensor(0.05), 0.0))


def test_developing_follows_gain_white_balance_and_seed() -> None:
    grey = torch.full((40, 40, 3), 0.2)
    phone = PhoneCamera(read_noise=0.0, shot_noise=0.0, curve=0.0)
    picture = phone.develop(grey, 1.0, torch.Generator().manual_seed(0))
    assert picture.dtype == torch.uint8
    expected = (tone_curve(0.2 * torch.tensor(phone.white_balance), 0.0) * 255).round()
    assert (picture[0, 0].float() - expected).abs().max() <= 1
    assert (phone.develop(grey, 1.2, torch.Generator().manual_seed(0)) > picture).all()
    noisy = PhoneCamera()
    one, same, other = (noisy.develop(grey, 1.0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.equal(same) and not one.equal(other)


def test_noise_grows_with_light_as_stated() -> None:
    phone = PhoneCamera(read_noise=0.004, shot_noise=0.0004, curve=0.0, white_balance=(1.0, 1.0, 1.0))
    light = torch.full((200, 200, 3), 0.3)
    encoded = phone.develop(light, 1.0, torch.Generator().manual_seed(0)).double() / 255
    linear = ((encoded + 0.055) / 1.055) ** 2.4
    expected = (0.3 * 0.0004 + 0.004**2) ** 0.5
    assert abs(float(linear.std()) / expected - 1) < 0.05


def test_translate_moves_by_whole_and_half_pixels() -> None:
    picture = torch.zeros(9, 9, 1)
    picture[4, 4] = 1.0
    assert translate(picture, 2.0, -1.0)[3, 6] == 1.0
    half = translate(picture, 0.5, 0.0)
    assert half[4, 4] == 0.5 and half[4, 5] == 0.5


@pytest.mark.parametrize("right, down", [(3.0, 0.0), (-2.0, 1.0), (40.0, -40.0), (1.25, -2.5)])
def test_translate_holds_the_border(right: float, down: float) -> None:
    picture = torch.rand(9, 7, 3, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.meshgrid(torch.arange(9.0) - down, torch.arange(7.0) - right, indexing="ij")
    grid = torch.stack([(2 * columns + 1) / 7 - 1, (2 * rows + 1) / 9 - 1], dim=-1)[None]
    planes = picture.permute(2, 0, 1)[None]
    expected = torch.nn.functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(translate(picture, right, down), expected[0].permute(1, 2, 0), rtol=0, atol=1e-5)


def test_motion_blur_is_centred_along_its_path() -> None:
    picture = torch.zeros(21, 21, 1)
    picture[10, 10] = 1.0
    assert motion_blur(picture, np.array([0.01, 0.0])).equal(picture)
    blurred = motion_blur(picture, np.array([6.0, 0.0]))[..., 0]
    columns = torch.arange(21.0)
    assert abs(float(blurred.sum()) - 1) < 1e-6
    assert abs(float((blurred.sum(0) * columns).sum()) - 10) < 1e-5
    assert blurred[10].count_nonzero() >= 6 and blurred.sum(1).count_nonzero() == 1


def test_exposure_and_hand_stay_in_their_ranges() -> None:
    times = np.arange(600) / 30
    gains = PhoneCamera(exposure_drift_stops=0.12).exposure_gains(np.random.default_rng(0), times)
    assert np.abs(np.log2(gains)).max() <= 0.12 and gains.std() > 0.01
    rotation, centre = HandHeld().poses(np.random.default_rng(0), times)
    angle = np.degrees(np.arccos((np.trace(rotation, axis1=1, axis2=2) - 1) / 2))
    assert 0.1 < angle.max() < 1.1
    assert np.abs(centre).max() <= 3.0
