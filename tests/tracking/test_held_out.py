"""Which frames no training window holds: spread, of the wanted share, and never drawn."""

from __future__ import annotations

import pytest
import torch

from steadyface.tracking.held_out import BLOCKS, FEWEST_FRAMES, held_out_frames, spread_over


@pytest.mark.parametrize(("count", "share"), [(40, 0.2), (97, 0.1), (300, 0.08), (1801, 0.08)])
def test_blocks_of_one_length_lie_in_every_part_of_the_clip(count: int, share: float) -> None:
    chosen = held_out_frames(count, share)
    edges = torch.cat([torch.zeros(1), chosen.float(), torch.zeros(1)]).diff()
    starts, ends = torch.nonzero(edges > 0)[:, 0], torch.nonzero(edges < 0)[:, 0]
    assert len(starts) == BLOCKS and len(set((ends - starts).tolist())) == 1
    assert abs(int(chosen.sum()) - share * count) <= BLOCKS / 2
    parts = ((starts + ends) / 2 / count * BLOCKS).long()
    assert parts.tolist() == list(range(BLOCKS))
    assert torch.equal(chosen, held_out_frames(count, share))


def test_a_short_clip_keeps_all_its_frames() -> None:
    assert not held_out_frames(FEWEST_FRAMES - 1, 0.4).any() and held_out_frames(FEWEST_FRAMES, 0.4).any()
    assert not held_out_frames(300, 0.0).any()


def test_places_are_spread_and_none_comes_twice() -> None:
    places = torch.arange(5, 105)
    some = spread_over(places, 7)
    assert len(some) == 7 and (some.diff() >= 14).all() and (some.diff() <= 15).all()
    assert torch.equal(spread_over(places, 100), places) and torch.equal(spread_over(places, 200), places)
