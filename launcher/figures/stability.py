"""How steadily each row tracks, over time: a lane a row on one scale (Yoon et al. 2019, Fig. 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from launcher.figures.bars import draw_bar, finish_axis, spread_words
from launcher.figures.finished import FinishedRun
from launcher.figures.style import (
    INK,
    MUTED,
    RULE,
    WIDTH_IN,
    Drawing,
    Skipped,
    axis_limit,
    clip_words,
    colour_of,
    colour_row_labels,
    headline,
    label_width_in,
)
from launcher.judge import JudgedClip
from launcher.report.charts import nice_ticks, tremor_per_frame
from launcher.report.figures import SOURCE, finite, number
from launcher.report.sentences import row_name
from steadyface.metrics.evaluate_track import judged_face
from steadyface.metrics.statistics import bootstrap_interval

TREMOR, TREMOR_WITHOUT_TRUTH = "acceleration_error_px_s2", "acceleration_px_s2"
_LANE_IN, _HEAD_IN, _FOOT_IN, _TITLE_IN = 0.3, 0.3, 0.42, 0.68


class Lane(NamedTuple):
    """One row of one clip.

    row: its name; time_s: (T - 2,) from the clip's start; values: (T - 2,) px/s^2 of the first seed, the
    mean over the vertices; scores: the same over the whole clip, a value a seed, as in ``summary.json``.
    """

    row: str
    time_s: Tensor
    values: Tensor
    scores: list[float]


def draw_stability(runs: Sequence[FinishedRun]) -> Iterator[Drawing | Skipped]:
    """A figure a run: every clip's lanes over time, and each row's score beside its lane."""
    for run in runs:
        name = f"stability_{run.name}"
        blocks = [(clip, lanes) for clip in run.clips if (lanes := stability_lanes(run, clip))]
        if blocks:
            yield Drawing(name, _figure(run, blocks))
        else:
            yield Skipped(name, f"there are no tracks in {run.folder / 'tracks'}")


def stability_lanes(run: FinishedRun, clip: JudgedClip) -> list[Lane]:
    """The tremor of every row that has a track: the acceleration's error, or the acceleration without truth."""
    facts, scored = run.networks.statistics, run.rows(clip.name)
    metric = _metric(clip)
    true = judged_face(clip.truth, facts.rigid_vertices, facts.vertex_mean) if clip.truth is not None else None
    lanes = []
    for row, track in run.tracks(clip.name).items():
        face = judged_face(track, facts.rigid_vertices, facts.vertex_mean)
        values = tremor_per_frame(face, true, track.time_s)
        time_s = (track.time_s - track.time_s[0])[1:-1]
        lanes.append(Lane(row, time_s, values, finite(scored.get(row, {}).get(metric))))
    return lanes


def _metric(clip: JudgedClip) -> str:
    return TREMOR if clip.truth is not None else TREMOR_WITHOUT_TRUTH


def _figure(run: FinishedRun, blocks: list[tuple[JudgedClip, list[Lane]]]) -> Figure:
    heights = [_HEAD_IN + _LANE_IN * len(lanes) + _FOOT_IN for _, lanes in blocks]
    total = _TITLE_IN + sum(heights)
    figure = Figure(figsize=(WIDTH_IN, total))
    start = label_width_in([lane.row for _, lanes in blocks for lane in lanes]) / WIDTH_IN
    share = 0.985 - start
    top = total - _TITLE_IN
    for (clip, lanes), height in zip(blocks, heights, strict=True):
        bottom, tall = (top - height + _FOOT_IN) / total, _LANE_IN * len(lanes) / total
        left = figure.add_axes((start, bottom, 0.7 * share, tall))
        right = figure.add_axes((start + 0.72 * share, bottom, 0.28 * share, tall), sharey=left)
        _lanes(left, lanes, clip)
        _scores(right, lanes)
        top -= height
    known = all(clip.truth is not None for clip, _ in blocks)
    what = "Acceleration error" if known else "Acceleration (where there is truth, its error)"
    seeds = max(len(set(lane.scores)) for _, lanes in blocks for lane in lanes)
    headline(
        figure, f"Tremor of the tracked face over time: {run.name}",
        f"{what} of the projected vertices. Over time: the first seed, all lanes on one scale, the source outlined "
        f"over each. Bars: {spread_words(1, seeds)}",
    )  # fmt: skip
    return figure


def _lanes(axes: Axes, lanes: list[Lane], clip: JudgedClip) -> None:
    peaks = [float(torch.quantile(lane.values, 0.98)) for lane in lanes]
    limit = nice_ticks(axis_limit(peaks))[-1]
    source = next((lane for lane in lanes if lane.row == SOURCE), None)
    for place, lane in enumerate(lanes):
        base, time_s = float(-place), lane.time_s.tolist()
        heights = (base + 0.92 * (lane.values / limit).clamp(max=1.0)).tolist()
        axes.axhline(base, color=RULE, lw=0.6, zorder=0)
        axes.fill_between(time_s, base, heights, color=colour_of(lane.row), lw=0, alpha=0.85)
        if source is not None and lane is not source:
            outline = base + 0.92 * (source.values / limit).clamp(max=1.0)
            axes.plot(source.time_s.tolist(), outline.tolist(), color=INK, lw=0.45, alpha=0.55)
    axes.set_yticks([0.4 - place for place in range(len(lanes))], [row_name(lane.row) for lane in lanes])
    colour_row_labels(axes, [lane.row for lane in lanes])
    axes.set_ylim(1.0 - len(lanes), 1.0)
    axes.set_xlim(float(lanes[0].time_s[0]), float(lanes[0].time_s[-1]))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("time (s)", labelpad=2)
    axes.set_title(clip_words(clip.name), pad=5)
    axes.text(1.0, 1.0, f"height of a lane: {number(limit)} px/s²", transform=axes.transAxes, ha="right", va="bottom",
              color=MUTED)  # fmt: skip


def _scores(axes: Axes, lanes: list[Lane]) -> None:
    means = [fmean(lane.scores) if lane.scores else 0.0 for lane in lanes]
    limit = axis_limit(means)
    for place, lane in enumerate(lanes):
        if not lane.scores:
            continue
        draw_bar(axes, 0.4 - place, lane.row, bootstrap_interval([[lane.scores]]), [lane.scores], limit)
    finish_axis(axes, limit, "mean (px/s²)")
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
