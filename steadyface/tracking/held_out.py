"""Which frames of a clip no training sees: blocks spread over it, by a rule without a draw.

Neighbours of a training frame look like it. A block keeps its inner frames some way from what is trained on, and
blocks in several places see several poses and expressions.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCKS = 4
"""Blocks of a clip."""

FEWEST_FRAMES = 40
"""A shorter clip needs all its frames to learn from: none is held out."""


def held_out_frames(count: int, share: float) -> Tensor:
    """Which of a clip's frames are held out, (count,) bool.

    Args:
        count: frames of the clip.
        share: of the frames, below 1/2, in `BLOCKS` blocks of one length, each in the middle of its part of the clip.

    >>> torch.nonzero(held_out_frames(40, 0.2)).flatten().tolist()
    [4, 5, 14, 15, 24, 25, 34, 35]
    >>> int(held_out_frames(20, 0.2).sum())
    0
    """
    chosen = torch.zeros(count, dtype=torch.bool)
    length = round(share * count / BLOCKS)
    if count < FEWEST_FRAMES or length < 1:
        return chosen
    for block in range(BLOCKS):
        first = (2 * block + 1) * count // (2 * BLOCKS) - length // 2
        chosen[first : first + length] = True
    return chosen


def spread_over(places: Tensor, count: int) -> Tensor:
    """At most ``count`` of some places (P,) long, in order, evenly spread over them.

    >>> spread_over(torch.arange(10), 4).tolist()
    [1, 3, 6, 8]
    """
    if len(places) <= count:
        return places
    chosen = (torch.arange(count, dtype=torch.float64) + 0.5) * len(places) / count
    return places[chosen.long()]
