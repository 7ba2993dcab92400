"""The error over the level of each degradation of a clip, a panel a kind (Yoon et al. 2019, Fig. 10)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from launcher.degradation_study import Study
from launcher.figures.ablation import LABELS
from launcher.figures.bars import sentence, spread_words
from launcher.figures.finished import FinishedRun, subjects_words
from launcher.figures.style import WIDTH_IN, Drawing, Skipped, axis_limit, clip_words, colour_of, headline
from launcher.report.figures import finite
from launcher.report.inputs import Row
from launcher.report.sentences import row_name
from launcher.summary import COMPARED, COMPARED_WITHOUT_TRUTH
from steadyface.capture.degradation import DEGRADATIONS
from steadyface.metrics.statistics import Interval, bootstrap_interval

Lines = dict[str, dict[str, Interval]]
"""Row -> level -> mean and interval."""

_COLUMNS = 3
_KEY_COLUMNS = 3
_PANEL_IN, _TITLE_IN, _KEY_IN = 1.75, 0.62, 0.17  # of a panel, the headline, a line of the key
_MARKERS = "osD^vP*X"


def draw_degradations(runs: Sequence[FinishedRun]) -> Iterator[Drawing | Skipped]:
    """A figure for every clip that was degraded in all runs: its position error, or what it has instead."""
    degraded = [run.summary.get("degradations") or {} for run in runs]
    clips = [clip for clip in degraded[0] if all(clip in found for found in degraded)]
    if not clips:
        yield Skipped("degradations", "no clip was degraded in every experiment; see evaluation.degradations")
    for clip in clips:
        name = f"degradations_{clip}"
        metric = _metric(degraded[0][clip])
        lines = {kind: degradation_lines(runs, clip, kind, metric) for kind in degraded[0][clip]} if metric else {}
        panels = {kind: found for kind, found in lines.items() if found}
        if panels:
            yield Drawing(name, _figure(panels, metric, clip, runs))
        else:
            yield Skipped(name, f"no row has any of {', '.join(COMPARED + COMPARED_WITHOUT_TRUTH)}")


def degradation_lines(runs: Sequence[FinishedRun], clip: str, kind: str, metric: str) -> Lines:
    """A line for each row that every run scored: level -> mean over the runs, with its interval.

    Args:
        runs: one a subject.
        clip: its name among the summaries' degradations.
        kind: of degradation, its name there.
        metric: its name there.
    """
    levels = [run.summary["degradations"][clip].get(kind, {}) for run in runs]
    lines: Lines = {}
    for level in levels[0]:
        for row in levels[0][level]:
            values = [finite(found.get(level, {}).get(row, {}).get(metric)) for found in levels]
            if all(values):
                lines.setdefault(row, {})[level] = bootstrap_interval([[seeds] for seeds in values])
    return lines


def _metric(kinds: Study) -> str:
    """The first of the compared metrics that any row has."""
    rows = _rows(kinds)
    return next((name for name in COMPARED + COMPARED_WITHOUT_TRUTH if any(name in row for row in rows)), "")


def _most_seeds(runs: Sequence[FinishedRun], clip: str, metric: str) -> int:
    """Of any row at any level: a study may track the first seed alone, whatever the experiment's seeds."""
    rows = [row for run in runs for row in _rows(run.summary["degradations"][clip])]
    return max(len(finite(row.get(metric))) for row in rows)


def _rows(kinds: Study) -> list[Row]:
    return [row for levels in kinds.values() for found in levels.values() for row in found.values()]


def _figure(panels: dict[str, Lines], metric: str, clip: str, runs: Sequence[FinishedRun]) -> Figure:
    columns = min(_COLUMNS, len(panels))
    count = math.ceil(len(panels) / columns)
    rows = list(dict.fromkeys(row for lines in panels.values() for row in lines))
    head = _TITLE_IN + _KEY_IN * math.ceil(len(rows) / _KEY_COLUMNS)
    height = head + count * _PANEL_IN
    figure = Figure(figsize=(WIDTH_IN, height))
    worst = {row: max(interval.mean for lines in panels.values() for interval in lines.get(row, {}).values())
             for row in rows}  # fmt: skip
    top = axis_limit(list(worst.values()))
    for index, (kind, lines) in enumerate(panels.items()):
        line, column = divmod(index, columns)
        bottom = (height - head - (line + 1) * _PANEL_IN + 0.42) / height
        axes = figure.add_axes((0.085 + column * 0.915 / columns, bottom, 0.76 / columns, (_PANEL_IN - 0.72) / height))
        _panel(axes, lines)
        axes.set_ylim(0.0, 1.05 * top)
        axes.set_title(kind.replace("_", " ").capitalize(), pad=4)
        axes.set_xlabel(DEGRADATIONS[kind].unit if kind in DEGRADATIONS else "level", labelpad=1)
        if column == 0:
            axes.set_ylabel(LABELS.get(metric, metric))
    _key(figure, rows, height)
    spread = sentence(spread_words(len(runs), _most_seeds(runs, clip, metric), "bands"))
    headline(figure, f"Error under degradation, {clip_words(clip).lower()}: {subjects_words(runs)}",
             f"{spread} All panels on one scale; a row that lost the face may leave it. Lower is better.")  # fmt: skip
    return figure


def _panel(axes: Axes, lines: Lines) -> None:
    """Levels at equal steps in their stored order: kinds have units of their own."""
    levels = list(dict.fromkeys(level for line in lines.values() for level in line))
    for index, (row, line) in enumerate(lines.items()):
        places = [levels.index(level) for level in line]
        means = [interval.mean for interval in line.values()]
        axes.plot(places, means, color=colour_of(row), marker=_MARKERS[index % len(_MARKERS)], ms=3.2, lw=1.2)
        if all(math.isfinite(interval.low) for interval in line.values()):
            low = [max(interval.low, 0.0) for interval in line.values()]
            high = [interval.high for interval in line.values()]
            axes.fill_between(places, low, high, color=colour_of(row), alpha=0.15, lw=0)
    axes.set_xticks(range(len(levels)), levels)


def _key(figure: Figure, rows: list[str], height: float) -> None:
    """The rows' names in their colours and with their markers, between the headline and the panels."""
    lines = [
        Line2D([], [], color=colour_of(row), marker=_MARKERS[index % len(_MARKERS)], ms=3.2, lw=1.2)
        for index, row in enumerate(rows)
    ]
    top = 1.0 - (_TITLE_IN - 0.04) / height
    figure.legend(
        lines, [row_name(row) for row in rows], loc="upper left", bbox_to_anchor=(0.06, top),
        ncols=_KEY_COLUMNS, frameon=False, labelcolor="linecolor", borderaxespad=0.0, labelspacing=0.2,
    )  # fmt: skip
