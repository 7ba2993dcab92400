"""docs/stress.md: error against strength, a row a cell, the cells where adaptation hurts in red."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from callbacks.progress import duration
from launcher.runs import make_folder, write_atomically
from launcher.stress.cells import Cell, read_cells
from launcher.stress.plot import draw_strengths
from launcher.stress.verdicts import PRIMARY, SECONDARY, TOLERATED, count, hurts, mean_change
from steadyface.studio.stress_conditions import CLEAN, STRESS

NAMES = {"paper": "the paper's objective", "ours": "ours"}
RED = "🟥"

READING = f"""\
Every cell is a clip of its own: a condition at one strength, one person, one seed. Source, paper's objective and ours
start from the same network and see the same frames, and both objectives take the same number of steps. The truth is the
studio's. A percentage is the change against the source on that clip. {RED} **bold**: adaptation hurts, the
error is more than {100 * TOLERATED:.0f} % above the source's (reprojection and vertex error; the acceleration error is
shown beside them and never red). *refused*: the adaptation found no way to learn from the clip and left the source as
it was. Vertex errors are of the whole mesh in the head frame; frames in which the face is hidden count like the
others."""


def write_report(runs: Path, page: Path) -> None:
    """Read the cells that are done, and replace the page and its figures.

    Args:
        runs: the folder of the cells.
        page: the Markdown file; its figures stand beside it.
    """
    cells = sorted(read_cells(runs), key=_place)
    if not cells:
        return
    make_folder(page.parent)
    figures = draw_strengths(cells, page.parent, page.stem)
    campaign = runs / "campaign.json"
    known: dict[str, Any] = {"wall_s": 0.0, "cells": []}
    if campaign.is_file():
        known = json.loads(campaign.read_text(encoding="utf-8"))
    lines = page_lines(cells, len(known["cells"]), float(known["wall_s"]), [path.name for path in figures])
    write_atomically(page, "\n".join(lines) + "\n")


def _place(cell: Cell) -> tuple[int, str, float, int, int]:
    """The order of the page: conditions as in their registry, strengths, subjects, seeds."""
    return list(STRESS).index(cell.condition), cell.world, cell.strength, cell.subject, cell.seed


def page_lines(cells: Sequence[Cell], planned: int, wall_s: float, figures: Sequence[str]) -> Iterator[str]:
    """The whole page, line by line.

    Args:
        cells: in order.
        planned: how many were asked for.
        wall_s: of the campaign so far, seconds.
        figures: file names beside the page.
    """
    yield from ("# Stress", "", "This page is made by `steadyface stress experiments/stress`.", "")
    done = f"{len(cells)} of {max(planned, len(cells))} cells done"
    steps = f"{duration(wall_s)} of wall time in all, {duration(_mean([cell.seconds for cell in cells]))} a cell"
    people = ", ".join(str(number) for number in sorted({cell.subject for cell in cells}))
    yield from (f"{done}; {steps}. Clips of {cells[0].frames} frames; subjects {people}.", "")
    yield from (READING, "", "## Counts", "", *counts_table(cells), "", "## By condition", "", *overview(cells), "")
    for name in figures:
        yield from (f"![error against strength]({name})", "")
    for condition in dict.fromkeys(cell.condition for cell in cells):
        some = [cell for cell in cells if cell.condition == condition]
        kind = STRESS[condition]
        title = kind.title if condition != CLEAN else "Clean clips, for reference"
        unit = f" Strength: {kind.unit}." if condition != CLEAN else ""
        yield from (f"## {title}", "", f"{kind.what}{unit}", "")
        yield from (*cells_table(some), "")


def counts_table(cells: Sequence[Cell]) -> Iterator[str]:
    """Of the disturbed cells: better and hurt, for the paper's objective and for ours."""
    disturbed = [cell for cell in cells if cell.condition != CLEAN]
    yield "| | cells | better in both | reprojection lower | vertices lower | hurt in either | refused |"
    yield "|:--" + "|--:" * 6 + "|"
    for row, name in NAMES.items():
        found = count(disturbed, row)
        shares = [_share(value, found.cells) for value in (found.better, *found.lower.values())]
        hurt = f"{RED} **{_share(found.hurt, found.cells)}**" if found.hurt else _share(0, found.cells)
        yield f"| {name} | {found.cells} | {' | '.join(shares)} | {hurt} | {found.refused} |"


def overview(cells: Sequence[Cell]) -> Iterator[str]:
    """A row a condition: mean change of both objectives against the source, and cells that are hurt."""
    columns = [f"{row}: {title}" for row in NAMES for title in PRIMARY.values()]
    yield f"| condition | cells | {' | '.join(columns)} | hurt, paper | hurt, ours |"
    yield "|:--" + "|--:" * (len(columns) + 3) + "|"
    for condition in dict.fromkeys(cell.condition for cell in cells):
        some = [cell for cell in cells if cell.condition == condition]
        changes = [_percent(mean_change(some, row, metric)) for row in NAMES for metric in PRIMARY]
        hurt = [count(some, row).hurt for row in NAMES]
        marked = [f"{RED} **{number}**" if number else "0" for number in hurt]
        yield f"| {STRESS[condition].title} | {len(some)} | {' | '.join(changes)} | {' | '.join(marked)} |"


def cells_table(cells: Sequence[Cell]) -> Iterator[str]:
    """A row a cell: source, paper, ours in each metric."""
    worlds, seeds = {cell.world for cell in cells}, {cell.seed for cell in cells}
    metrics = {**PRIMARY, **SECONDARY}
    columns = [column for title in metrics.values() for column in (f"{title}: source", *NAMES)]
    yield f"| strength, subject | {' | '.join(columns)} |"
    yield "|:--" + "|--:" * len(columns) + "|"
    for cell in cells:
        name = f"{cell.strength:g}, subject {cell.subject}"
        name += f", seed {cell.seed}" if len(seeds) > 1 else ""
        name += f", {cell.world}" if len(worlds) > 1 else ""
        values = [value for metric in metrics for value in _values(cell, metric)]
        yield f"| {name} | {' | '.join(values)} |"


def _values(cell: Cell, metric: str) -> Iterator[str]:
    """The source's value, and both objectives' with their change; red where adaptation hurts."""
    yield _number(cell.source.metrics[metric])
    for row in NAMES:
        if cell.row(row).refused:
            yield "*refused*"
            continue
        text = f"{_number(cell.row(row).metrics[metric])} ({_percent(cell.change(row, metric))})"
        yield f"{RED} **{text}**" if hurts(cell, row, metric) else text


def _number(value: float) -> str:
    """Three digits that count.

    >>> _number(0.12345), _number(1234.5)
    ('0.123', '1234')
    """
    if not math.isfinite(value):
        return "-"
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if digits else f"{round(value)}"


def _percent(change: float) -> str:
    """A change as it is read.

    >>> _percent(-0.123), _percent(0.0201), _percent(0.0)
    ('-12 %', '+2.0 %', '0 %')
    """
    if not math.isfinite(change):
        return "-"
    percent = 100.0 * change
    text = f"{percent:+.1f}" if abs(percent) < 9.95 else f"{percent:+.0f}"
    return "0 %" if float(text) == 0.0 else f"{text} %"


def _share(part: int, of: int) -> str:
    return f"{part} ({100 * part / of:.0f} %)" if of else "-"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
