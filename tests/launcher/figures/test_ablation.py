"""Bars and lines are the means and intervals of the summaries' values."""

from __future__ import annotations

import math

import pytest
from matplotlib.figure import Figure

from launcher.figures.ablation import ablation_bars
from launcher.figures.bars import draw_bar, finish_axis, spread_words
from launcher.figures.degradations import degradation_lines
from launcher.figures.finished import FinishedRun
from launcher.figures.style import axis_limit, colour_of
from steadyface.metrics.statistics import Interval


def test_bars_are_means_over_subjects_and_seeds(run, other_run):
    runs = [FinishedRun(run), FinishedRun(other_run)]
    metric = "reprojection_error_px"
    values = [found.summary["adapted_clip"]["adapted"][metric] for found in runs]
    (bar,) = (bar for bar in ablation_bars(runs, "adapted_clip", metric) if bar.row == "adapted")
    assert bar.values == values
    assert bar.interval.mean == pytest.approx((sum(values[0]) / 2 + sum(values[1]) / 2) / 2)
    assert bar.interval.low < bar.interval.mean < bar.interval.high
    del runs[1].summary["adapted_clip"]["source_smoothed"]
    runs[0].summary["adapted_clip"]["adapted"][metric][0] = None
    bars = {bar.row: bar for bar in ablation_bars(runs, "adapted_clip", metric)}
    assert list(bars) == ["source", "adapted"]  # only what every subject has
    assert bars["adapted"].values[0] == values[0][1:]


def test_degradations_are_lines_over_their_levels_in_order(run, other_run):
    runs = [FinishedRun(run), FinishedRun(other_run)]
    lines = degradation_lines(runs, "adapted_clip", "blur", "reprojection_error_px")
    assert {row: list(line) for row, line in lines.items()} == {row: ["0", "2", "4"] for row in ("source", "adapted")}
    assert lines["source"]["2"].mean == pytest.approx((6.0 + 12.0) / 2)
    alone = degradation_lines(runs[:1], "adapted_clip", "fog", "reprojection_error_px")
    assert alone["adapted"]["thick"].mean == 2.0 and math.isnan(alone["adapted"]["thick"].low)
    assert degradation_lines(runs, "adapted_clip", "rain", "reprojection_error_px") == {}


def test_a_row_that_lost_the_face_does_not_set_the_axis():
    assert axis_limit([1.0, 2.0, 2.4, 300.0]) == 2.4
    assert axis_limit([5.0, 1.0]) == 5.0
    assert axis_limit([0.0, 0.0]) == 1.0
    assert colour_of("source") != colour_of("adapted") and colour_of("a_variant") == colour_of("another")


def test_a_bar_says_where_it_was_cut():
    axes = Figure().add_subplot()
    draw_bar(axes, 0.0, "source", Interval(30.0, math.nan, math.nan), [[30.0]], 4.0)
    draw_bar(axes, -1.0, "adapted", Interval(3.0, 2.5, 3.5), [[2.9, 3.1]], 4.0)
    finish_axis(axes, 4.0, "px")
    assert [bar.get_width() for bar in axes.patches] == [4.0, 3.0]
    assert [text.get_text() for text in axes.texts] == ["▸ 30.0", "3.00"]
    assert [list(line.get_xdata()) for line in axes.lines] == [[2.5, 3.5], [2.9, 3.1]]
    assert "no interval" in spread_words(1, 1) and "2 seeds" in spread_words(1, 2)
