"""What the cells say: where adaptation helps, where it hurts, and how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from launcher.stress.cells import Cell

PRIMARY = {"reprojection_error_px": "reprojection px", "vertex_error_mm": "vertices mm"}
SECONDARY = {"acceleration_error_px_s2": "acceleration error px/s²"}
TOLERATED = 0.02
"""An error above the source's by more than this share is a cell where adaptation hurts."""


class Counts(NamedTuple):
    """Of n cells: how many end with a lower error than the source's, by metric and in both; how many are hurt by
    metric and in either; how many adaptations refused."""

    cells: int
    lower: dict[str, int]
    better: int
    hurt_in: dict[str, int]
    hurt: int
    refused: int


def hurts(cell: Cell, row: str, metric: str) -> bool:
    """Whether a row's error is more than 2 % above the source's; one that is not a number hurts, too."""
    change = cell.change(row, metric)
    return metric in PRIMARY and not change <= TOLERATED


def count(cells: Sequence[Cell], row: str) -> Counts:
    """How a row ends on cells."""
    lower = {metric: sum(cell.change(row, metric) < 0 for cell in cells) for metric in PRIMARY}
    hurt_in = {metric: sum(hurts(cell, row, metric) for cell in cells) for metric in PRIMARY}
    better = sum(all(cell.change(row, metric) < 0 for metric in PRIMARY) for cell in cells)
    hurt = sum(any(hurts(cell, row, metric) for metric in PRIMARY) for cell in cells)
    return Counts(len(cells), lower, better, hurt_in, hurt, sum(bool(cell.row(row).refused) for cell in cells))


def mean_change(cells: Sequence[Cell], row: str, metric: str) -> float:
    """Mean change against the source over cells, of ratios: the geometric mean less one; nan for no cells."""
    ratios = [1.0 + cell.change(row, metric) for cell in cells]
    if not ratios or not all(ratio > 0 for ratio in ratios):
        return math.nan
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) - 1.0
