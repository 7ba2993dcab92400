"""Openings of mouth and eyes against a landmark detector's: what a picture's light cannot explain away."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.losses.robust import charbonnier

SOFT = 0.1
"""Difference, in deviations of the lab, at which the penalty turns from quadratic to linear."""


class Openings(NamedTuple):
    """Openings of B frames: pairs (K, P, 2) long, vertices on their edges; target (B, K) mm, nan where not known;
    weight (K,), how far each is believed, in deviations of the lab."""

    pairs: Tensor
    target: Tensor
    weight: Tensor


def mesh_openings(vertices: Tensor, pairs: Tensor) -> Tensor:
    """Mean distance of the pairs of each opening.

    Args:
        vertices: (B, N, 3).
        pairs: (K, P, 2) long.

    Returns:
        (B, K) in the vertices' unit.
    """
    upper, lower = vertices[:, pairs[..., 0]], vertices[:, pairs[..., 1]]
    return (upper - lower).square().sum(-1).add(1e-12).sqrt().mean(-1)


def opening_error(vertices: Tensor, openings: Openings) -> Tensor:
    """Robust difference of a mesh's openings from those that were detected.

    Args:
        vertices: (B, N, 3) mm.
        openings: of the same frames.

    Returns:
        scalar: mean over the frames, sum over the openings; a frame without a face counts nothing.
    """
    known = torch.isfinite(openings.target)
    target = torch.where(known, openings.target, 0.0)
    difference = (mesh_openings(vertices, openings.pairs) - target) * openings.weight
    return (charbonnier(difference, SOFT) * known).sum() / known.any(1).sum().clamp(min=1)
