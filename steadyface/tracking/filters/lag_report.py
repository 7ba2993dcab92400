"""What a filter did to a track: how late it made it, and how much of the jitter at rest it took away.

The filtered track is compared with the unfiltered one; no truth is needed. Lag is that of
`steadyface.metrics.lag`, pooled over the runs. Jitter is the mean acceleration in the picture of what is at
rest: the quarter of all points in all frames that, unfiltered, move least from four frames before to four after.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.cameras import project, transform
from steadyface.metrics.lag import MAX_SHIFT, LagMs
from steadyface.metrics.stability import accelerations
from steadyface.tracking.track import Track, runs_of
from steadyface.tracking.track_file import BLOCK_FRAMES, StoredTrack

POINTS = 32
REST_SHARE = 0.25
_AROUND = 4  # frames either way whose distance says what rests: jitter hardly counts over so many
_LOOKED_AT = 64  # frames, to find the vertices that move


class FilterEffect(NamedTuple):
    """Lag in the head frame and in the picture, ms, nan where it cannot be told; mean acceleration in the
    picture at rest before and after, px / s^2, nan without nine frames in a row."""

    lag_expression_ms: float
    lag_picture_ms: float
    rest_before_px_s2: float
    rest_after_px_s2: float

    def __str__(self) -> str:
        """One line.

        >>> print(FilterEffect(12.3, math.nan, 400.0, 100.0))
        lag 12 ms in the expression, not measurable in the picture; jitter at rest 400 -> 100 px/s² (-75 %)
        """
        lags = [_words(self.lag_expression_ms, "expression"), _words(self.lag_picture_ms, "picture")]
        before, after = self.rest_before_px_s2, self.rest_after_px_s2
        jitter = "no frames to measure jitter in"
        if before > 0:
            jitter = f"jitter at rest {before:.0f} -> {after:.0f} px/s² ({100 * (after / before - 1):+.0f} %)"
        return f"lag {', '.join(lags)}; {jitter}"


class _Paths(NamedTuple):
    """Some vertices of T frames, before and after: (T, P, 3) mm head frame, (T, P, 2) px; nan without a face."""

    time_s: Tensor
    found: Tensor
    shot: Tensor
    head: Tensor
    picture: Tensor
    filtered_head: Tensor
    filtered_picture: Tensor


class FilterReport:
    """Gathers a track before and after a filter, a few vertices a frame.

    Args:
        points: (P,) long, the vertices to look at: best those that move.
        frames: how many of the last frames are remembered, to the block; None for all.
    """

    def __init__(self, points: Tensor, frames: int | None = None) -> None:
        self._points, self._frames = points, frames
        self._kept: deque[_Paths] = deque()
        self._count = 0

    def add(self, before: Track, after: Track) -> None:
        """The next frames in order, unfiltered and filtered."""
        paths = (*self._paths(before), *self._paths(after))
        self._kept.append(_Paths(before.time_s, before.found, before.shot, *paths))
        self._count += len(before)
        while self._frames is not None and self._count - len(self._kept[0].time_s) >= self._frames:
            self._count -= len(self._kept.popleft().time_s)

    def effect(self) -> FilterEffect:
        """Measured over everything that is remembered."""
        if not self._kept:
            return FilterEffect(math.nan, math.nan, math.nan, math.nan)
        whole = _Paths(*(torch.cat(parts) for parts in zip(*self._kept, strict=True)))
        runs = [_Paths(*(part[run] for part in whole)) for run in runs_of(whole.found, whole.shot)]
        expression, picture = LagMs(), LagMs()
        for run in runs:
            if len(run.time_s) >= 2 * MAX_SHIFT + 4:
                expression.update(run.filtered_head, run.head, run.time_s)
                picture.update(run.filtered_picture, run.picture, run.time_s)
        known = float(expression.steps) > 0
        lags = [float(lag.compute()) if known else math.nan for lag in (expression, picture)]
        return FilterEffect(lags[0], lags[1], *_rest_accelerations(runs))

    def _paths(self, track: Track) -> tuple[Tensor, Tensor]:
        head = track.vertices[:, self._points].double()
        placed = transform(head, track.rotation.double(), track.translation.double())
        return head.float(), project(placed, track.intrinsics.double()).float()


def describe_filter(before: Track | StoredTrack, after: Track | StoredTrack) -> str:
    """One line: the lag of a filtered track behind the unfiltered one, and the jitter at rest of both.

    Both are read a block at a time.
    """
    report = FilterReport(moving_points(before))
    for first in range(0, len(before), BLOCK_FRAMES):
        report.add(before[first : first + BLOCK_FRAMES], after[first : first + BLOCK_FRAMES])
    return str(report.effect())


def moving_points(track: Track | StoredTrack, count: int = POINTS) -> Tensor:
    """The vertices that move most in the head frame, (count,) long, as seen in some frames of the whole track."""
    found = torch.nonzero(track.found)[:, 0]
    chosen = found[torch.linspace(0, len(found) - 1, min(_LOOKED_AT, len(found))).long()]
    frames = [track[int(frame) : int(frame) + 1].vertices for frame in chosen]
    if not frames:
        return torch.arange(min(count, track[:1].vertices.shape[1]))
    deviation = torch.cat(frames).std(dim=0, correction=0).norm(dim=-1)
    return deviation.topk(min(count, len(deviation))).indices


def _rest_accelerations(runs: list[_Paths]) -> tuple[float, float]:
    """Mean acceleration before and after of what is at rest, px / s^2."""
    moved, before, after = [], [], []
    inner = slice(_AROUND - 1, 1 - _AROUND)  # accelerations begin with a run's second frame
    for run in runs:
        if len(run.time_s) <= 2 * _AROUND:
            continue
        path = run.picture[2 * _AROUND :] - run.picture[: -2 * _AROUND]
        seconds = run.time_s[2 * _AROUND :] - run.time_s[: -2 * _AROUND]
        moved.append((path.norm(dim=-1) / seconds[:, None]).flatten())
        before.append(accelerations(run.picture, run.time_s)[inner].norm(dim=-1).flatten())
        after.append(accelerations(run.filtered_picture, run.time_s)[inner].norm(dim=-1).flatten())
    if not moved:
        return math.nan, math.nan
    slowest = torch.cat(moved).argsort()[: max(1, round(REST_SHARE * sum(map(len, moved))))]
    return float(torch.cat(before)[slowest].mean()), float(torch.cat(after)[slowest].mean())


def _words(lag_ms: float, where: str) -> str:
    return f"{round(lag_ms)} ms in the {where}" if math.isfinite(lag_ms) else f"not measurable in the {where}"
