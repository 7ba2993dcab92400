"""Which frames of a clip belong together: windows by time, never by frame number.

A phone's frame rate varies. A window starts at a frame and holds the frames nearest to fixed
offsets in seconds, so that a gap means the same at 24, 30 and 60 frames a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def find_windows(time_s: Tensor, offsets_s: Sequence[float]) -> Tensor:
    """All windows of a clip, as frame indices.

    A window is left out where an offset reaches before the first or beyond the last frame (by more
    than half the usual frame interval), or where two different offsets meet in one frame.

    Shapes: time_s (F,) increasing -> (W, len(offsets_s)) long.

    >>> find_windows(torch.tensor([0.0, 0.1, 0.2, 0.5]), [0.0, 0.1]).tolist()
    [[0, 1], [1, 2]]
    """
    if len(time_s) < 2:
        return torch.zeros(len(time_s) if set(offsets_s) == {0.0} else 0, len(offsets_s), dtype=torch.long)
    wanted = time_s.unsqueeze(1) + torch.tensor(offsets_s, dtype=time_s.dtype)
    after = torch.searchsorted(time_s, wanted.contiguous()).clamp(1, len(time_s) - 1)
    later = (time_s[after] - wanted).abs() < (time_s[after - 1] - wanted).abs()
    index = torch.where(later, after, after - 1)
    slack = time_s.diff().median() / 2
    inside = ((wanted >= time_s[0] - slack) & (wanted <= time_s[-1] + slack)).all(1)
    return index[inside & _distinct(index, offsets_s)]


def _distinct(index: Tensor, offsets_s: Sequence[float]) -> Tensor:
    """(F,) whether windows (F, T) have as many different frames as there are different offsets."""
    different = (index.sort(1).values.diff(dim=1) != 0).sum(1) + 1
    return different == len(set(offsets_s))


def unbroken_windows(time_s: Tensor, shot: Tensor, usable: Tensor, offsets_s: Sequence[float]) -> Tensor:
    """The windows of a clip that span no cut and hold usable frames only.

    Shapes: time_s (F,); shot (F,) long, one more after each cut; usable (F,) bool -> (W, len(offsets_s)) long.
    """
    windows = find_windows(time_s, offsets_s)
    one_shot = (shot[windows] == shot[windows][:, :1]).all(1)
    return windows[one_shot & usable[windows].all(1)]
