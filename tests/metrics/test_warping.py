"""Warp-PSNR: a textured board that slides is explained by its own motion and by no other."""

from __future__ import annotations

import math

import pytest
import torch

from steadyface.metrics.warping import WarpPsnrDb, correspondence, unoccluded_mask, warp_psnr_db

SIZE = 32
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])
K = torch.tensor([[[100.0, 0.0, 15.5], [0.0, 100.0, 15.5], [0.0, 0.0, 1.0]]])


def _board(x_mm, z_mm=100.0):
    corners = torch.tensor([[-9.0, -9.0], [9.0, -9.0], [9.0, 9.0], [-9.0, 9.0]]) + torch.tensor([x_mm, 0.0])
    return torch.cat([corners, torch.full((4, 1), z_mm)], dim=1)[None]


def _picture(shift_px):
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    stripes = 0.5 + 0.4 * torch.sin(0.35 * (x - shift_px)) * torch.cos(0.4 * y)
    return stripes.expand(1, 3, SIZE, SIZE).float()


def _positions(now_mm, before_mm):
    return correspondence(_board(now_mm), _board(before_mm), FACES, K, K, SIZE, SIZE)


def test_correspondence_follows_the_surface_and_leaves_the_rest():
    positions = _positions(3.0, 0.0)  # 3 mm at 100 mm and a focal length of 100 px: 3 px
    assert positions[0, 16, 16].tolist() == pytest.approx([13.0, 16.0], abs=1e-4)
    assert positions[0, 2, 2].tolist() == pytest.approx([2.0, 2.0])


def test_true_motion_scores_above_no_warp_and_wrong_motion_below():
    now, before = _picture(3.0), _picture(0.0)
    mask = unoccluded_mask(_board(3.0), _board(0.0), FACES, K, K, SIZE, SIZE)
    assert float(warp_psnr_db(now, before, _positions(3.0, 0.0), mask)) > 30
    assert float(warp_psnr_db(now, before, _positions(-3.0, 0.0), mask)) < -3


def test_against_a_slow_loop_over_two_batches():
    now, before = _picture(3.0), _picture(0.0)
    mask = unoccluded_mask(_board(3.0), _board(0.0), FACES, K, K, SIZE, SIZE)
    metric = WarpPsnrDb()
    sums = [0.0, 0.0, 0.0]
    for shift in (1.0, 2.0):
        positions = _positions(3.0, 3.0 - shift)
        metric.update(now, before, positions, mask)
        for _, _, y, x in torch.nonzero(mask).tolist():
            px, py = positions[0, y, x].tolist()
            left, up = math.floor(px), math.floor(py)
            fx, fy = px - left, py - up
            for c in range(3):
                corners = before[0, c, up : up + 2, left : left + 2]
                top = corners[0, 0] * (1 - fx) + corners[0, 1] * fx
                bottom = corners[1, 0] * (1 - fx) + corners[1, 1] * fx if corners.shape[0] > 1 else top
                value = float(top * (1 - fy) + bottom * fy)
                sums[0] += (value - float(now[0, c, y, x])) ** 2
                sums[1] += (float(before[0, c, y, x]) - float(now[0, c, y, x])) ** 2
                sums[2] += 1
    expected = 10 * math.log10(sums[1] / sums[0])
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-3)


def test_a_hidden_surface_point_is_masked_out():
    hidden = torch.cat([_board(0.0), _board(0.0, 60.0)], dim=1)  # at t - k a second board stands before
    apart = torch.cat([_board(0.0), _board(200.0, 60.0)], dim=1)
    faces = torch.cat([FACES, FACES + 4])
    assert float(unoccluded_mask(apart, apart, faces, K, K, SIZE, SIZE).sum()) > 200
    assert float(unoccluded_mask(apart, hidden, faces, K, K, SIZE, SIZE).sum()) == 0
