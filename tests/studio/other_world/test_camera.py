"""Rolling shutter and sensor, against what they must do."""

from __future__ import annotations

import numpy as np
import torch

from steadyface.geometry.cameras import project
from steadyface.studio.other_world.rolling_shutter import Readout, along_path, bend, seen_places
from steadyface.studio.other_world.sensor import Phone, demosaic, film, to_srgb
from steadyface.studio.other_world.settings import OtherWorldSettings

K = torch.tensor([[600.0, 0.0, 239.5], [0.0, 600.0, 319.5], [0.0, 0.0, 1.0]])
READOUT = Readout(height=640, readout_s=0.016, half_s=0.012)


def test_rows_are_shifted_by_the_velocity_times_their_time() -> None:
    """Points that move sideways at 300 mm/s at 600 mm depth: 300 px/s, so a row 160 below the middle lags by 4 ms."""
    rows = torch.tensor([-160.0, 0.0, 160.0])
    points = torch.stack([torch.zeros(3), rows, torch.full((3,), 600.0)], dim=1)
    velocity = torch.tensor([300.0, 0.0, 0.0])
    path = torch.stack([points + velocity * step for step in (-0.012, 0.0, 0.012)])
    seen = project(seen_places(path, K, READOUT)[None], K[None])[0]
    still = project(points[None], K[None])[0]
    torch.testing.assert_close(seen[:, 0] - still[:, 0], torch.tensor([-1.2, 0.0, 1.2]), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(seen[:, 1], still[:, 1], atol=1e-3, rtol=0.0)


def test_each_point_is_seen_in_the_row_of_its_own_time() -> None:
    """Against a slow search: rows one by one, the point's place at each row's time."""
    generator = torch.Generator().manual_seed(0)
    corner, size = torch.tensor([-100.0, -150.0, 550.0]), torch.tensor([200.0, 300.0, 50.0])
    middle = corner + size * torch.rand(6, 3, generator=generator)
    step = torch.randn(6, 3, generator=generator) * 4.0
    bow = torch.randn(6, 3, generator=generator) * 0.3
    path = torch.stack([middle - step + bow, middle, middle + step + bow])
    seen = project(seen_places(path, K, READOUT)[None], K[None])[0]
    for point in range(6):
        rows = torch.arange(-200.0, 840.0, 0.05)
        places = along_path(path[:, [point]].expand(-1, len(rows), -1), READOUT.time_of(rows), READOUT.half_s)
        pixels = project(places[None], K[None])[0]
        best = int((pixels[:, 1] - rows).abs().argmin())
        torch.testing.assert_close(seen[point], pixels[best], atol=0.1, rtol=0.0)


def test_distortion_is_what_it_says_and_nothing_when_zero() -> None:
    places = torch.tensor([[60.0, 80.0, 500.0], [0.0, 0.0, 500.0]])
    assert bend(places, 0.0) is places
    torch.testing.assert_close(bend(places, 0.1)[0], torch.tensor([60.24, 80.32, 500.0]))
    torch.testing.assert_close(bend(places, 0.1)[1], places[1])


def test_a_mosaic_of_one_colour_comes_back_and_grey_stays_grey() -> None:
    flat = torch.tensor([0.2, 0.5, 0.8]).view(3, 1, 1).expand(3, 10, 12)
    torch.testing.assert_close(demosaic(flat), flat)


def test_the_film_curve_rises_and_rolls_off() -> None:
    light = torch.linspace(0.0, 8.0, 200)
    shown = to_srgb(film(light))
    assert (shown.diff() >= 0).all() and float(shown[0]) == 0.0 and float(shown[-1]) > 0.98
    assert float(film(torch.tensor(1.0))) < 0.85  # what is white for a linear camera still has a way to go


def test_exposure_lags_behind_the_light() -> None:
    """After the light doubles, the picture is too bright, and comes back over the lag."""
    settings = OtherWorldSettings(read_noise=0.0, photon_noise=0.0, exposure_lag_s=0.2)
    phone, generator = Phone(settings, torch.ones(3)), torch.Generator().manual_seed(0)
    picture = torch.full((40, 60, 3), 0.3)
    before = phone.develop(picture, generator).float().mean()
    after = [float(phone.develop(2.0 * picture, generator).float().mean()) for _ in range(30)]
    assert after[0] > before + 15 and abs(after[-1] - float(before)) < 3
    assert (np.diff(after) <= 1e-3).all()
