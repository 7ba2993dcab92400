"""Line charts over a clip's frames as inline SVG: no library, readable on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import torch
from torch import Tensor

from launcher.report.figures import ADAPTED, SOURCE, SOURCE_SMOOTHED, number
from launcher.report.inputs import JudgedRows, ReportClip
from launcher.report.sentences import row_name
from steadyface.metrics.evaluate_track import JudgedFace
from steadyface.metrics.geometry_errors import distances
from steadyface.metrics.stability import accelerations

CHARTED = (SOURCE, SOURCE_SMOOTHED, ADAPTED)
_WIDTH, _HEIGHT = 1000, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34


class Series(NamedTuple):
    """One line: the row it belongs to, its (T,) values, and what it is called where not by the row's name."""

    row: str
    values: Tensor
    label: str = ""


def clip_charts(clip: ReportClip, judged: JudgedRows) -> str:
    """The stability graph and, where there is truth, the distance from it, frame by frame."""
    true = judged.truth
    tremor, position = [], []
    for row in CHARTED:
        if row in clip.tracks:
            face = judged.rows[row]
            tremor.append(Series(row, tremor_per_frame(face, true, clip.tracks[row].time_s)))
            if true is not None:
                position.append(Series(row, distances(face.picture, true.picture).mean(dim=1)))
    time_s = clip.tracks[SOURCE].time_s
    what = "Acceleration error" if true is not None else "Acceleration (no truth)"
    charts = [line_chart(f"{what} of the projected vertices, px/s²", time_s[1:-1], tremor, time_s)]
    if position:
        charts.append(line_chart("Distance of the projected vertices from the truth, px", time_s, position, time_s))
    return "".join(charts)


def tremor_per_frame(face: JudgedFace, true: JudgedFace | None, time_s: Tensor) -> Tensor:
    """Mean over vertices of the acceleration's error, or of the acceleration without truth: (T - 2,) px/s²."""
    points = face.picture if true is None else face.picture - true.picture
    return accelerations(points, time_s).norm(dim=-1).mean(dim=1)


def line_chart(title: str, time_s: Tensor, series: Sequence[Series], span_s: Tensor) -> str:
    """One chart with axes, a key that names every line with its median, and a cursor that follows the video.

    Args:
        title: with the unit.
        time_s: (T,) of the values.
        series: the lines.
        span_s: time stamps of the whole clip: charts of one clip share the axis.
    """
    start, length = float(span_s[0]), max(float(span_s[-1] - span_s[0]), 1e-9)
    ticks = nice_ticks(max(float(line.values.max()) for line in series))
    scale_x = (_WIDTH - _LEFT - _RIGHT) / length
    scale_y = (_HEIGHT - _TOP - _BOTTOM) / ticks[-1]
    floor = _HEIGHT - _BOTTOM
    parts = [_grid(ticks, scale_y, floor), _time_axis(length, scale_x, floor)]
    for line in series:
        x = _LEFT + (time_s - start) * scale_x
        y = floor - line.values.clamp(0, ticks[-1]) * scale_y
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        parts.append(f'<polyline class="line {escape(line.row)}" points="{points}"/>')
    parts.append(f'<line class="cursor" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{floor}"/>')
    return (
        f'<figure class="chart"><figcaption>{escape(title)}{_key(series)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'data-left="{_LEFT}" data-scale="{scale_x:.4f}">{"".join(parts)}</svg></figure>'
    )


def nice_ticks(largest: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to just above ``largest``.

    >>> nice_ticks(87.0)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    """
    if not math.isfinite(largest) or largest <= 0:
        return [0.0, 1.0]
    raw = largest / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * magnitude >= raw * 0.999)
    return [step * index for index in range(math.ceil(largest / step - 1e-9) + 1)]


def _key(series: Sequence[Series]) -> str:
    items = "".join(
        f'<span class="key {escape(line.row)}"><i></i>{escape(line.label or row_name(line.row))} '
        f"<b>{number(float(torch.nanmedian(line.values)))}</b></span>"
        for line in series
    )
    return f'<span class="keys">{items}<small>median over frames, first seed</small></span>'


def _grid(ticks: list[float], scale: float, floor: float) -> str:
    parts = []
    for tick in ticks:
        y = floor - tick * scale
        label = f"{tick:,.10g}".replace(",", "\u202f")
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _time_axis(length: float, scale: float, floor: float) -> str:
    seconds = [tick for tick in nice_ticks(length, 8) if tick <= length * 1.0001]
    return "".join(
        f'<text class="tick" x="{_LEFT + tick * scale:.1f}" y="{floor + 20}" text-anchor="middle">{tick:g} s</text>'
        for tick in seconds
    )
