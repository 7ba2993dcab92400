"""A bar a row and metric, with its interval over subjects and seeds (Yoon et al. 2019, Fig. 9)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from launcher.figures.bars import draw_bar, finish_axis, sentence, spread_words
from launcher.figures.finished import FinishedRun, subjects_words
from launcher.figures.style import (
    RULE,
    WIDTH_IN,
    Drawing,
    Skipped,
    axis_limit,
    clip_words,
    colour_row_labels,
    headline,
    label_width_in,
)
from launcher.report.figures import finite
from launcher.report.sentences import row_name
from launcher.summary import COMPARED, COMPARED_WITHOUT_TRUTH
from steadyface.metrics.statistics import Interval, bootstrap_interval

LABELS = {
    "reprojection_error_px": "Position error\nin the picture (px)",
    "acceleration_error_px_s2": "Acceleration error\nin the picture (px/s²)",
    "vertex_error_mm": "Vertex error,\nhead frame (mm)",
    "vertex_error_lips_mm": "Vertex error, lips,\nhead frame (mm)",
    "acceleration_px_s2": "Acceleration\nin the picture (px/s²)",
    "texture_residual_normalised": "Texture residual\n(contrast-normalised)",
}
_ROW_IN, _HEAD_IN, _FOOT_IN, _TITLE_IN = 0.21, 0.28, 0.62, 0.58


class Bar(NamedTuple):
    """A row's mean of one metric with its 95 % interval, and its values by subject and seed."""

    row: str
    interval: Interval
    values: list[list[float]]


def draw_ablation(runs: Sequence[FinishedRun]) -> Iterator[Drawing | Skipped]:
    """One figure of all runs: a line of panels a clip, a panel a metric."""
    clips = [clip for clip in runs[0].clip_names if all(clip in run.clip_names for run in runs)]
    panels = {clip: found for clip in clips if (found := _panels(runs, clip))}
    if panels:
        yield Drawing("ablation", _figure(panels, runs))
    else:
        yield Skipped("ablation", "no clip, row and metric is scored in every experiment")


def ablation_bars(runs: Sequence[FinishedRun], clip: str, metric: str) -> list[Bar]:
    """The bars of one metric on one clip, in the rows' order: of the rows that every run scored.

    Args:
        runs: one a subject.
        clip: its name in the summaries.
        metric: its name there.
    """
    bars = []
    for row in runs[0].rows(clip):
        values = [finite(run.rows(clip).get(row, {}).get(metric)) for run in runs]
        if all(values):
            interval = bootstrap_interval([[seeds] for seeds in values])
            bars.append(Bar(row, interval, values))
    return bars


def _panels(runs: Sequence[FinishedRun], clip: str) -> dict[str, list[Bar]]:
    found = {metric: bars for metric in COMPARED if (bars := ablation_bars(runs, clip, metric))}
    if found:
        return found
    return {metric: bars for metric in COMPARED_WITHOUT_TRUTH if (bars := ablation_bars(runs, clip, metric))}


def _figure(panels: dict[str, dict[str, list[Bar]]], runs: Sequence[FinishedRun]) -> Figure:
    rows = {clip: list(dict.fromkeys(bar.row for bars in found.values() for bar in bars))
            for clip, found in panels.items()}  # fmt: skip
    heights = {clip: _HEAD_IN + _ROW_IN * len(names) + _FOOT_IN for clip, names in rows.items()}
    total = _TITLE_IN + sum(heights.values())
    figure = Figure(figsize=(WIDTH_IN, total))
    start = label_width_in([row for names in rows.values() for row in names]) / WIDTH_IN
    top = total - _TITLE_IN
    for clip, found in panels.items():
        bottom = (top - heights[clip] + _FOOT_IN) / total
        share = (0.995 - start) / len(found)
        for place, (metric, bars) in enumerate(found.items()):
            tall = _ROW_IN * len(rows[clip]) / total
            axes = figure.add_axes((start + place * share, bottom, share * 0.93, tall))
            _panel(axes, bars, rows[clip], metric, named=place == 0)
        figure.text(0.06 / WIDTH_IN, (top - 0.1) / total, clip_words(clip), weight="bold", size=8.5,
                    va="center")  # fmt: skip
        top -= heights[clip]
    seeds = max(len(set(values)) for found in panels.values() for bars in found.values() for bar in bars
                for values in bar.values)  # fmt: skip
    headline(figure, f"What each row reaches: {subjects_words(runs)}",
             f"{sentence(spread_words(len(runs), seeds))} Dots: single values. Lower is better.")  # fmt: skip
    return figure


def _panel(axes: Axes, bars: list[Bar], rows: list[str], metric: str, named: bool) -> None:
    limit = axis_limit([bar.interval.mean for bar in bars])
    ends = [bar.interval.high for bar in bars if math.isfinite(bar.interval.high) and bar.interval.mean <= limit]
    limit = min(max([limit, *ends]), 2.0 * limit)
    for bar in bars:
        draw_bar(axes, -float(rows.index(bar.row)), bar.row, bar.interval, bar.values, limit)
    finish_axis(axes, limit, LABELS.get(metric, metric))
    axes.set_ylim(0.6 - len(rows), 0.6)
    axes.set_yticks([-float(place) for place in range(len(rows))], [row_name(row) if named else "" for row in rows])
    colour_row_labels(axes, rows)
    axes.spines["left"].set_color(RULE)
