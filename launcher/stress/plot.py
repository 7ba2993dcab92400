"""The figure of the stress page: error against strength, a panel a condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from launcher.figures.style import MUTED, WIDTH_IN, Drawing, axis_limit, colour_of, figure_style, save_drawing
from launcher.stress.cells import ROWS, Cell
from launcher.stress.verdicts import PRIMARY, hurts
from steadyface.studio.stress_conditions import CLEAN, STRESS

_LOOK = {"source": ("source", "o", "source"), "paper": ("published", "s", "paper's objective"),
         "ours": ("adapted", "D", "ours")}  # fmt: skip
_RED = "#d11414"
_COLUMNS, _PANEL_IN, _HEAD_IN = 4, 1.5, 0.5
_LABEL_SHARE = 0.18  # of an axis' length: what a number below it takes
_STEM = {"reprojection_error_px": "reprojection", "vertex_error_mm": "vertices"}


def draw_strengths(cells: Sequence[Cell], folder: Path, stem: str) -> list[Path]:
    """Draw a figure for each primary metric, ``folder/STEM-reprojection.png`` and ``folder/STEM-vertices.png``.

    Lines are means over the subjects that have every strength; dots are cells, those that are hurt ringed in red.

    Returns:
        The files written; none where no cell is disturbed.
    """
    conditions = [name for name in STRESS if name != CLEAN and any(cell.condition == name for cell in cells)]
    if not conditions:
        return []
    written = []
    for metric, title in PRIMARY.items():
        with figure_style():
            figure = _figure(cells, conditions, metric, title)
            written += save_drawing(Drawing(f"{stem}-{_STEM[metric]}", figure, (".png",)), folder)
    return written


def _figure(cells: Sequence[Cell], conditions: Sequence[str], metric: str, title: str) -> Figure:
    rows = math.ceil(len(conditions) / _COLUMNS)
    columns = min(_COLUMNS, len(conditions))
    figure = Figure(figsize=(WIDTH_IN, _HEAD_IN + rows * _PANEL_IN), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place >= len(conditions):
            axes.set_axis_off()
            continue
        _panel(axes, [cell for cell in cells if cell.condition == conditions[place]], metric)
        axes.set_title(STRESS[conditions[place]].title)
        axes.set_xlabel(STRESS[conditions[place]].unit, labelpad=1)
        if place % columns == 0:
            axes.set_ylabel(title)
    lines = [
        Line2D([], [], color=colour_of(colour), marker=marker, ms=3, lw=1.2, label=label)
        for colour, marker, label in _LOOK.values()
    ]
    lines.append(Line2D([], [], color=_RED, marker="o", mfc="none", lw=0, ms=6, label="hurt by more than 2 %"))
    figure.legend(handles=lines, loc="outside upper left", ncols=len(lines), frameon=False)
    return figure


def _panel(axes: Axes, cells: Sequence[Cell], metric: str) -> None:
    """Strengths in their own unit; lines of the subjects that were shown most of them."""
    strengths = sorted({cell.strength for cell in cells})
    seen = dict[int, set[float]]()
    for cell in cells:
        seen.setdefault(cell.subject, set()).add(cell.strength)
    whole = {number for number, values in seen.items() if len(values) == max(map(len, seen.values()))}
    for row in ROWS:
        colour, marker, _ = _LOOK[row]
        means = []
        for strength in strengths:
            some = [c.row(row).metrics[metric] for c in cells if c.strength == strength and c.subject in whole]
            means.append(math.fsum(some) / len(some) if some else math.nan)
        axes.plot(strengths, means, color=colour_of(colour), lw=1.2)
        for cell in cells:
            value, strong = cell.row(row).metrics[metric], 1.0 if cell.subject in whole else 0.45
            axes.plot(cell.strength, value, marker, color=colour_of(colour), ms=3, alpha=strong, mew=0)
            if row != "source" and hurts(cell, row, metric):
                axes.plot(cell.strength, value, "o", mfc="none", mec=_RED, ms=6, mew=0.8)
    values = [cell.row(row).metrics[metric] for cell in cells for row in ROWS]
    finite = [value for value in values if math.isfinite(value)]
    axes.set_ylim(0.0, 1.12 * axis_limit(finite) if finite else 1.0)
    axes.set_xticks(strengths, tick_labels(strengths))
    axes.grid(axis="y", color=MUTED, alpha=0.2, lw=0.5)


def tick_labels(strengths: Sequence[float]) -> list[str]:
    """The numbers below an axis; empty where one would run into the one before it.

    >>> tick_labels([0.25, 0.5, 1.0, 1.5, 2.0])
    ['0.25', '', '1', '1.5', '2']
    """
    apart, before = _LABEL_SHARE * (strengths[-1] - strengths[0]), -math.inf
    labels = []
    for strength in strengths:
        room = strength - before >= apart
        labels.append(f"{strength:g}" if room else "")
        before = strength if room else before
    return labels
