"""Rooms are colourful, differ by seed, and carry detail at several scales."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d

from steadyface.studio.backgrounds import MARGIN_PX, paint_room


def test_room_has_its_size_and_follows_from_its_seed() -> None:
    one, same, other = (paint_room(160, 120, seed) for seed in (0, 0, 1))
    assert one.shape == (160 + 2 * MARGIN_PX, 120 + 2 * MARGIN_PX, 3)
    assert one.min() >= 0 and one.max() <= 1
    assert one.equal(same)
    assert (one - other).abs().mean() > 0.02


def test_room_has_detail_at_every_scale_and_colour() -> None:
    for seed in range(3):
        level = paint_room(320, 240, seed).permute(2, 0, 1)[None]
        assert (level.amax(1) - level.amin(1)).mean() > 0.02
        for _ in range(5):
            coarse = avg_pool2d(level, 2)
            fine = level[..., : 2 * coarse.shape[2], : 2 * coarse.shape[3]]
            detail = fine - torch.nn.functional.interpolate(coarse, scale_factor=2)
            assert detail.std() > 0.003
            level = coarse
