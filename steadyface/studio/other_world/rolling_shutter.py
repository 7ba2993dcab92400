"""A camera that reads its rows one after the other: where and when each point is seen, in real sub-frame time.

A path is three places of a point, before, at and after the middle row's time; between them it runs along the parabola
through all three. The frame's time, and its truth, are the middle row's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Readout(NamedTuple):
    """How a frame is read.

    height: rows; readout_s: from the first to the last one; half_s: between the middle of a path and its ends.
    """

    height: int
    readout_s: float
    half_s: float

    def time_of(self, row: Tensor) -> Tensor:
        """When a row (pixels, fractions too) is read, seconds from the frame's time."""
        return (row - 0.5 * (self.height - 1)) * (self.readout_s / self.height)


def along_path(path: Tensor, time_s: Tensor, half_s: float) -> Tensor:
    """Places on paths (3, N, C) at times (N,) or (), from the middle one's: (N, C)."""
    before, middle, after = path
    step = (time_s / half_s).unsqueeze(-1) if half_s > 0 else torch.zeros_like(time_s).unsqueeze(-1)
    return middle + step * (0.5 * (after - before) + step * (0.5 * (after + before) - middle))


def seen_places(path: Tensor, intrinsics: Tensor, readout: Readout, offset_s: float = 0.0) -> Tensor:
    """Where points are, in camera axes, when the row that sees them is read.

    Args:
        path: (3, N, 3) mm, camera frame of the time itself; intrinsics: (3, 3).
        offset_s: of the instant within the exposure.

    Returns:
        (N, 3) mm: projected, each point lies in the row of its own time.
    """
    place = path[1]
    for _ in range(3):  # a row's time moves a point by far less than a row
        row = intrinsics[1, 1] * place[:, 1] / place[:, 2].clamp(min=1.0) + intrinsics[1, 2]
        time_s = readout.time_of(row.clamp(-0.5 * readout.height, 1.5 * readout.height)) + offset_s
        place = along_path(path, time_s, readout.half_s)
    return place


def bend(place: Tensor, distortion: float) -> Tensor:
    """Camera-frame points (N, 3) moved to where a lens with radial distortion k1 shows them, at the same depth."""
    if distortion == 0.0:
        return place
    square = (place[:, :2] / place[:, 2:].clamp(min=1.0)).square().sum(1, keepdim=True)
    return torch.cat([place[:, :2] * (1.0 + distortion * square), place[:, 2:]], dim=1)
