"""Acceleration: a head and a face do not jump to and fro from one frame to the next, a network's answers do.

Consistency compares textures, which a fraction of a pixel changes little; second differences see that fraction itself.
docs/expression.md has what it brings.
"""

from __future__ import annotations

from torch import Tensor

SOFT_PX = 0.1
"""Acceleration at which the penalty turns from quadratic to linear, so that true motion costs less."""


def acceleration_cost(places: Tensor, time_s: Tensor) -> Tensor:
    """Robust mean acceleration over triples of frames.

    Args:
        places: (B, 3, M, 2) pixels.
        time_s: (B, 3), rising.

    Returns:
        scalar, pixels a frame squared; a frame is half of what the triple spans. Frames that are unevenly apart are
        taken as they are: a straight way at an even pace costs nothing.
    """
    step = (time_s[:, 1:] - time_s[:, :-1]).to(places.dtype)[..., None, None].clamp(min=1e-6)
    velocity = (places[:, 1:] - places[:, :-1]) / step
    frame = step.mean(1)
    moved = (velocity[:, 1] - velocity[:, 0]) * frame
    return ((moved.square().sum(-1) + SOFT_PX**2).sqrt() - SOFT_PX).mean()
