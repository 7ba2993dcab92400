"""The numbers of one kind of clip as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from launcher.results.compared import ClipResults, Comparison
from launcher.results.endpoints import Endpoint
from steadyface.metrics.statistics import Interval

NONE = "-"


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines; the first column is words, the others numbers.

    >>> markdown_table(["row", "mm"], [["a|b", "1"]])
    ['| row | mm |', '| :-- | --: |', '| a\\\\|b | 1 |']
    """
    ruler = [":--", *["--:"] * (len(heading) - 1)]
    body = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [heading, *rows]]
    lines = [f"| {' | '.join(cells)} |" for cells in body]
    return [lines[0], f"| {' | '.join(ruler)} |", *lines[1:]]


def value_tables(results: ClipResults) -> Iterator[list[str]]:
    """Rows x metrics, mean and 95 % interval, a table a group of metrics."""
    for group in results.groups:
        rows = []
        for row in results.rows:
            found = [results.values[row].get(endpoint.metric) for endpoint in group]
            rows.append([f"`{row}`", *(interval_cell(interval) for interval in found)])
        yield markdown_table(["row", *headings(group)], rows)


def difference_tables(results: ClipResults, rival: str) -> Iterator[list[str]]:
    """Rows x metrics, difference against a rival with interval, p and corrected p."""
    for group in results.groups:
        rows = []
        for row, comparisons in results.against[rival].items():
            cells = [comparison_cell(comparisons.get(endpoint.metric)) for endpoint in group]
            rows.append([f"`{row}`", *cells])
        if rows:
            yield markdown_table(["row", *headings(group)], rows)


def gap_table(results: ClipResults, ceiling: str) -> list[str]:
    """Rows x error metrics, the share of the gap between source and ceiling that was closed."""
    shares = results.gaps[ceiling]
    measured = {metric for row in shares.values() for metric in row}
    shown = [endpoint for group in results.groups for endpoint in group if endpoint.metric in measured]
    rows = [
        [f"`{row}`", *(share_cell(metrics.get(endpoint.metric)) for endpoint in shown)]
        for row, metrics in shares.items()
    ]
    return markdown_table(["row", *(short(endpoint) for endpoint in shown)], rows) if rows else []


def headings(group: Sequence[Endpoint]) -> list[str]:
    """Primary metrics are bold."""
    return [f"**{endpoint.heading}**" if endpoint.primary else endpoint.heading for endpoint in group]


def short(endpoint: Endpoint) -> str:
    """A heading for numbers that are not in the metric's unit."""
    return endpoint.words.removeprefix("the ")


def interval_cell(interval: Interval | None) -> str:
    if interval is None:
        return NONE
    return f"{number(interval.mean)} {bounds(number(interval.low), number(interval.high))}"


def comparison_cell(comparison: Comparison | None) -> str:
    """``-45 % [-60, -25]``, p and, for a secondary metric, Holm's p; bold where a difference is shown."""
    if comparison is None or math.isnan(comparison.change.mean):
        return NONE
    change = comparison.change
    if comparison.endpoint.relative:
        text = f"{percent(change.mean)} % {bounds(percent(change.low), percent(change.high))}"
    else:
        text = f"{signed(change.mean)} {bounds(signed(change.low), signed(change.high))}"
    text = f"**{text}**" if comparison.shown else text
    if math.isnan(comparison.p):
        return text
    corrected = "" if comparison.endpoint.primary else f" → {p_value(comparison.corrected)}"
    return f"{text}<br>p {p_value(comparison.p)}{corrected}"


def share_cell(share: Interval | None) -> str:
    if share is None or math.isnan(share.mean):
        return NONE
    return f"{percent(share.mean)} % {bounds(percent(share.low), percent(share.high))}"


def bounds(low: str, high: str) -> str:
    """``[low, high]``; where nothing is repeated there is no interval to show."""
    return "[?]" if "nan" in low or "nan" in high else f"[{low}, {high}]"


def number(value: float) -> str:
    """Three significant digits, never an exponent.

    >>> number(1246.55), number(17.74), number(0.5985), number(-0.0769), number(0.0)
    ('1247', '17.7', '0.599', '-0.077', '0.000')
    """
    size = abs(value)
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def signed(value: float) -> str:
    return number(value) if math.isnan(value) or value < 0 else f"+{number(value)}"


def percent(share: float) -> str:
    """Whole per cent with its sign, one digit below ten.

    >>> percent(-0.482), percent(0.0312), percent(float("inf"))
    ('-48', '+3.1', '+inf')
    """
    return f"{100 * share:+.{1 if abs(share) < 0.0995 else 0}f}"


def p_value(p: float) -> str:
    """
    >>> p_value(0.0004), p_value(0.0123), p_value(0.4)
    ('<0.001', '0.012', '0.40')
    """
    return "<0.001" if p < 0.001 else f"{p:.{3 if p < 0.1 else 2}f}"
