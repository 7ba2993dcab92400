"""Crops that follow a head: without lag, without jitter, held around what was seen, never across a cut."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from steadyface.errors import InputError
from steadyface.tracking.crop_path import CropPath, draw_path, fixed_path


def _boxes(x, side=100.0):
    x = torch.as_tensor(x, dtype=torch.float64)
    return torch.stack([x, torch.full_like(x, 50.0), torch.full_like(x, side), torch.full_like(x, side)], dim=1)


def _uneven(count):
    """Time stamps of a rate that varies."""
    return torch.cumsum(1 / 30 + 0.01 * torch.sin(torch.arange(count, dtype=torch.float64)), 0)


def test_a_steady_motion_is_followed_without_lag_to_the_ends():
    time_s = _uneven(91)
    path = draw_path(time_s, torch.zeros(91, dtype=torch.long), time_s[::3], _boxes(200 * time_s[::3]))
    moving = path.box[:, 0] - 200 * time_s
    assert path.known.all() and float(moving.abs().max()) < 0.5


def test_noise_is_smoothed_by_the_gaussian_of_a_plain_loop():
    torch.manual_seed(0)
    time_s, noise = torch.arange(120, dtype=torch.float64) / 30, torch.randn(120, dtype=torch.float64)
    path = draw_path(time_s, torch.zeros(120, dtype=torch.long), time_s, _boxes(noise))
    for frame in (40, 60, 83):
        near = [k for k in range(120) if abs(float(time_s[k] - time_s[frame])) <= 0.6 + 1e-9]
        weight = [math.exp(-0.5 * (float(time_s[k] - time_s[frame]) / 0.2) ** 2) for k in near]
        mean = sum(w * float(noise[k]) for w, k in zip(weight, near, strict=True)) / sum(weight)
        assert float(path.box[frame, 0]) == pytest.approx(mean, abs=1e-6)
    assert float(path.box[:, 0].diff(n=2).std()) < 0.02 * float(noise.diff(n=2).std())


def test_nothing_is_drawn_across_a_loss_or_a_cut():
    time_s = torch.arange(120, dtype=torch.float64) / 30
    shot = (torch.arange(120) >= 60).long()
    seen_s = time_s[::3]
    box = _boxes(torch.where(seen_s < 2.0, 0.0, 300.0))
    box[5:9] = torch.nan  # lost from frame 15 to 24, then seen elsewhere
    box[9:20, 0] = 80.0
    path = draw_path(time_s, shot, seen_s, box)
    centre = path.box[:, 0] + path.box[:, 2] / 2
    for frames, place in ((slice(0, 19), 50.0), (slice(21, 60), 130.0), (slice(60, 120), 350.0)):
        assert torch.allclose(centre[frames], centre.new_tensor(place))


def test_a_shot_without_a_face_and_a_chance_likeness_have_no_box():
    time_s = torch.arange(90, dtype=torch.float64) / 30
    shot, seen_s = (torch.arange(90) >= 30).long(), time_s[::3]
    box = _boxes(torch.full((30,), 7.0))
    box[:10] = torch.nan
    box[4:6] = 1.0  # two looks, then gone again
    path = draw_path(time_s, shot, seen_s, box)
    assert not path.known[:30].any() and path.known[30:].all()
    assert torch.equal(path.filled(Path("a.mp4"))[0], path.box[30])
    nowhere = draw_path(time_s, shot, seen_s, torch.full_like(box, torch.nan))
    with pytest.raises(InputError, match=r"a\.mp4.*a face in some frame"):
        nowhere.filled(Path("a.mp4"))


def test_a_short_shot_keeps_what_was_seen_all_through_it():
    time_s = torch.arange(12, dtype=torch.float64) / 30
    shot = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    path = draw_path(time_s, shot, time_s[[0, 4, 8]], _boxes([1.0, 2.0, 3.0]))
    assert torch.allclose(path.box[:, 0], torch.tensor([1.0, 2.0, 3.0]).double().repeat_interleave(4))


def test_the_side_file_is_read_back_and_refused_for_another_clip(tmp_path):
    time_s = torch.arange(5, dtype=torch.float64) / 30
    path = CropPath(time_s, _boxes(torch.arange(5.0)), torch.tensor([0, 0, 1, 1, 1]), 620.0)
    path.save(tmp_path / "new" / "crops.npz")
    read = CropPath.load(tmp_path / "new" / "crops.npz")
    assert torch.equal(read.box, path.box) and torch.equal(read.shot, path.shot) and read.focal_px == 620.0
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["crops.npz"]
    read.check_clip(Path("a.mp4"), time_s.tolist())
    with pytest.raises(InputError, match="time stamps"):
        read.check_clip(Path("a.mp4"), (time_s + 0.01).tolist())
    with pytest.raises(InputError, match="no such file"):
        CropPath.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(InputError, match="unusable"):
        CropPath.load(tmp_path / "text.npz")


def test_one_box_for_all():
    path = fixed_path(torch.arange(3).double(), [1, 2, 30, 30], torch.zeros(3, dtype=torch.long))
    assert path.known.all() and path[1:].box.tolist() == [[1, 2, 30, 30]] * 2
