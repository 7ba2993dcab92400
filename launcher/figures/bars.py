"""Bars with their interval and their single values, as the figures share them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from launcher.figures.style import INK, colour_of
from launcher.report.charts import nice_ticks
from launcher.report.figures import number
from steadyface.metrics.statistics import Interval

_ROOM = 1.42  # of the axis, in limits: the numbers stand behind the bars


def spread_words(subjects: int, seeds: int, marks: str = "whiskers") -> str:
    """What the intervals are, in words that fit what was repeated.

    >>> spread_words(1, 1)
    'one subject and one seed, no interval.'

    Args:
        subjects: experiments.
        seeds: of the row that has most.
        marks: what stands for the interval.
    """
    if subjects > 1:
        return f"means over {subjects} subjects, {marks}: 95 % interval over subjects and seeds."
    if seeds > 1:
        return f"means over {seeds} seeds, {marks}: 95 % interval over the seeds of this subject."
    return "one subject and one seed, no interval."


def sentence(words: str) -> str:
    """The words with a capital letter."""
    return words[:1].upper() + words[1:]


def draw_bar(
    axes: Axes, place: float, row: str, interval: Interval, values: Sequence[Sequence[float]], limit: float
) -> None:
    """Draw a row's mean with its interval, its single values as dots, and the mean as a number.

    Args:
        axes: with the metric along x.
        place: middle of the bar along y.
        row: whose colour it takes.
        interval: mean and bounds; nan bounds are not drawn.
        values: by subject and seed.
        limit: a bar or an interval that is longer is cut there, which an arrow says.
    """
    cut = interval.mean > limit
    end = min(interval.mean, limit)
    axes.barh(place, end, height=0.62, color=colour_of(row), alpha=0.85, lw=0)
    if not cut and math.isfinite(interval.low) and interval.high > interval.low:
        end = max(end, min(interval.high, limit))
        axes.plot([max(interval.low, 0.0), end], [place, place], color=INK, lw=0.9, solid_capstyle="butt")
        if interval.high > limit:
            axes.plot([limit], [place], color=INK, marker=">", ms=3.0)
            end += 0.02 * limit
    dots = [value for seeds in values for value in dict.fromkeys(seeds) if value <= limit]
    if not cut and len(dots) > 1:
        end = max(end, *dots)
        axes.plot(dots, [place] * len(dots), ls="", marker="o", ms=2.6, mfc="white", mec=INK, mew=0.5)
    text = f"▸ {number(interval.mean)}" if cut else number(interval.mean)
    axes.text(end + 0.04 * limit, place, text, va="center", ha="left")


def finish_axis(axes: Axes, limit: float, label: str) -> None:
    """Scale and name the axis of bars: ticks up to the limit, and room for the numbers behind it."""
    axes.set_xlim(0.0, _ROOM * limit)
    axes.set_xticks([tick for tick in nice_ticks(limit, 2) if tick <= 1.001 * limit])
    axes.spines["bottom"].set_bounds(0.0, limit)
    axes.set_xlabel(label, labelpad=2, x=0.5 / _ROOM)
