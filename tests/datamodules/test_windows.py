from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from datamodules.windows import find_windows


def slow(times: list[float], offsets: list[float]) -> list[list[int]]:
    """Every start, every offset, every frame."""
    gaps = sorted(b - a for a, b in pairwise(times))
    slack = gaps[(len(gaps) - 1) // 2] / 2
    windows = []
    for start in times:
        wanted = [start + offset for offset in offsets]
        window = [min(range(len(times)), key=lambda i: abs(times[i] - w)) for w in wanted]
        inside = all(times[0] - slack <= w <= times[-1] + slack for w in wanted)
        if inside and len(set(window)) == len(set(offsets)):
            windows.append(window)
    return windows


@pytest.mark.parametrize("offsets", [[0.0], [0.0, 0.0334], [0.0, 0.0334, 0.1], [-0.05, 0.0, 0.05]])
def test_matches_a_slow_loop_at_a_variable_rate(offsets: list[float]) -> None:
    gaps = torch.rand(60, dtype=torch.float64) * 0.06 + 0.005
    time_s = torch.cat([torch.zeros(1, dtype=torch.float64), gaps.cumsum(0)])
    assert find_windows(time_s, offsets).tolist() == slow(time_s.tolist(), offsets)


@pytest.mark.parametrize(("fps", "step"), [(24, 1), (25, 1), (30, 1), (60, 2)])
def test_an_offset_means_the_same_time_at_every_rate(fps: int, step: int) -> None:
    time_s = torch.arange(20, dtype=torch.float64) / fps
    windows = find_windows(time_s, [0.0, 0.0334])
    assert windows.tolist() == [[i, i + step] for i in range(20 - step)]


def test_nothing_fits() -> None:
    assert find_windows(torch.zeros(1, dtype=torch.float64), [0.0, 0.1]).shape == (0, 2)
    assert find_windows(torch.zeros(1, dtype=torch.float64), [0.0]).tolist() == [[0]]
    slideshow = torch.arange(5, dtype=torch.float64)
    assert find_windows(slideshow, [0.0, 0.0334]).shape == (0, 2)
