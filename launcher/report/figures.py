"""Numbers as a reader meets them: medians over seeds, relative changes, and how they are written."""

from __future__ import annotations

import math
from statistics import median

from launcher.report.inputs import Row

SOURCE, SOURCE_SMOOTHED, ADAPTED, ADAPTED_SMOOTHED = "source", "source_smoothed", "adapted", "adapted_smoothed"


def finite(values: list[float] | None) -> list[float]:
    """The values that are numbers; summary.json has null where there is none."""
    return [value for value in values or [] if value is not None and math.isfinite(value)]


def middle(row: Row | None, metric: str) -> float | None:
    """Median over seeds of a row's metric; None where it was not measured."""
    values = finite((row or {}).get(metric))
    return median(values) if values else None


def changes(row: Row | None, base: Row | None, metric: str) -> list[float]:
    """Relative change of each seed, (row - base) / base: -0.5 is half the error. Empty where unknown.

    >>> changes({"m": [1.0, 3.0]}, {"m": [2.0, 2.0]}, "m")
    [-0.5, 0.5]
    """
    pairs = zip((row or {}).get(metric) or [], (base or {}).get(metric) or [], strict=False)
    return [(value - start) / start for value, start in pairs if finite([value, start]) == [value, start] and start]


def change(row: Row | None, base: Row | None, metric: str) -> float | None:
    """Median of the per-seed relative changes; None where unknown."""
    values = changes(row, base, metric)
    return median(values) if values else None


def percent(share: float) -> str:
    """A relative change with its sign, or as a multiple where it is huge.

    >>> percent(-0.523), percent(0.0), percent(12.0)
    ('−52 %', '±0 %', '13 ×')
    """
    if share >= 4.0:
        return f"{share + 1.0:.0f} ×"
    rounded = round(100.0 * share)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return f"{sign}{abs(rounded)} %"


def number(value: float | None) -> str:
    """Three figures, thousands parted; a dash for what was not measured.

    >>> number(0.01234), number(1.5), number(12345.6), number(None)
    ('0.012', '1.50', '12\u202f346', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")
    digits = 1 if size >= 10 else 2 if size >= 0.1 or value == 0 else 3
    return f"{value:.{digits}f}".replace("-", "−")
