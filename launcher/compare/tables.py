"""Every number of a comparison as tables: built once, shown in the terminal, on the page and in W&B."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from launcher.compare.common_clips import CommonClip
from launcher.compare.differences import Difference
from launcher.compare.segments import SegmentScores
from launcher.compare.sides import Side
from launcher.compare.values import Measure, own_values, scored
from launcher.compare.verdicts import Judgement, compare_sides
from launcher.results.compared import Comparison
from launcher.results.endpoints import TOGETHER, WITHOUT_TRUTH, Better, Endpoint
from launcher.results.tables import bounds, number, p_value, percent, signed
from steadyface.metrics.statistics import Interval, bootstrap_interval

NONE = "-"
_REGION = re.compile(r"vertex_error_(?!camera)(.+)_mm")


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by where it is a number, and ``better``, ``worse`` or nothing."""

    text: str
    value: float | None = None
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """name: of the table in W&B; title, note: for people; rows: as many cells each as headings."""

    name: str
    title: str
    headings: tuple[str, ...]
    rows: list[list[Cell]] = field(default_factory=list)
    note: str = ""


def settings_table(sides: Sequence[Side], found: Sequence[Difference]) -> Table:
    """The settings that differ, a column a side."""
    rows = [[Cell(difference.name), *(Cell(value, _as_number(value)) for value in difference.values)]
            for difference in found]  # fmt: skip
    note = "" if rows else "No setting that decides results differs."
    return Table("settings", "Settings that differ", ("setting", *(side.label for side in sides)), rows, note)


def verdict_table(first: Side, judgements: Sequence[Judgement]) -> Table:
    """A row a side and clip, with the changes of the primary endpoints and the reason."""
    primary = [endpoint for endpoint in TOGETHER if endpoint.primary]
    changes = [f"change of {endpoint.heading.rpartition(' ')[0]}" for endpoint in primary]
    rows = []
    for judged in judgements:
        clip = judged.clip.words if judged.clip is not None else "all common clips"
        cells = [change_cell(judged.comparisons.get(endpoint.metric)) for endpoint in primary]
        kind = judged.verdict if judged.verdict in ("better", "worse") else ""
        rows.append([Cell(clip), Cell(judged.side.label), Cell(judged.verdict, None, kind), *cells, Cell(judged.why)])
    title = f"Verdicts against {first.label}"
    return Table("verdicts", title, ("clip", "run", "verdict", *changes, "why"), rows)


def clip_tables(sides: Sequence[Side], clip: CommonClip, segments: SegmentScores) -> Iterator[Table]:
    """One clip's metrics, changes, regions and segments."""
    measure = scored(clip.name_in)
    endpoints = clip_endpoints(sides, measure)
    name = next(iter(clip.names.values()))
    place = f"on the {clip.words}"
    yield values_table(f"{name}/metrics", f"Metrics {place}", sides, endpoints, measure)
    yield changes_table(f"{name}/changes", f"Changes {place}, against {sides[0].label}", sides, endpoints, measure)
    regions = region_endpoints(sides, measure, clip)
    if regions:
        yield regions_table(f"{name}/regions", f"Vertex error by region {place}, mm", sides, regions, measure)
    yield segments_table(f"{name}/segments", f"Each second {place}", sides, endpoints, segments)


def clip_endpoints(sides: Sequence[Side], measure: Measure) -> tuple[Endpoint, ...]:
    """The endpoints that are reported together, those that a side has; without truth the others."""
    def measured(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
        return tuple(e for e in endpoints if any(own_values(side, e.metric, measure) for side in sides))

    together = measured(TOGETHER)
    return together if any(endpoint.primary for endpoint in together) else measured(WITHOUT_TRUTH)


def region_endpoints(sides: Sequence[Side], measure: Measure, clip: CommonClip) -> list[Endpoint]:
    """The vertex error of each region that every side has."""
    member = sides[0].members[0]
    names = [match[1] for metric in member.run.summary[clip.name_in(member)][member.row]
             if (match := _REGION.fullmatch(metric))]  # fmt: skip
    found = [Endpoint(f"vertex_error_{name}_mm", name, f"the vertex error of the {name}", "mm") for name in names]
    return [e for e in found if all(own_values(side, e.metric, measure) for side in sides)]


def values_table(
    name: str, title: str, sides: Sequence[Side], endpoints: Sequence[Endpoint], measure: Measure
) -> Table:
    """A row a side: mean and 95 % interval of each metric."""
    rows = [
        [Cell(side.label), Cell(repeat_words(side), side.seed_count),
         *(value_cell(side, endpoint, measure) for endpoint in endpoints)]
        for side in sides
    ]  # fmt: skip
    note = "Mean and 95 % interval over the repeats; [?]: nothing is repeated, so there is no interval."
    return Table(name, title, ("run", "repeats", *(endpoint.heading for endpoint in endpoints)), rows, note)


def changes_table(
    name: str, title: str, sides: Sequence[Side], endpoints: Sequence[Endpoint], measure: Measure
) -> Table:
    """A row a side but the first: the change of each metric with its interval and p."""
    compared = compare_sides(sides, endpoints, measure)
    rows = [
        [Cell(side.label), *(change_cell(comparisons.get(endpoint.metric)) for endpoint in endpoints)]
        for side, comparisons in zip(sides[1:], compared, strict=True)
    ]
    return Table(name, title, ("run", *(_change_heading(endpoint) for endpoint in endpoints)), rows,
                 "95 % interval; p after Holm's correction; *: a difference is shown at 5 %.")  # fmt: skip


def regions_table(
    name: str, title: str, sides: Sequence[Side], regions: Sequence[Endpoint], measure: Measure
) -> Table:
    """A row a region: every side's error, then every side's change against the first."""
    compared = compare_sides(sides, regions, measure)
    rows = [
        [Cell(region.heading), *(value_cell(side, region, measure) for side in sides),
         *(change_cell(comparisons.get(region.metric)) for comparisons in compared)]
        for region in regions
    ]  # fmt: skip
    headings = ("region", *(side.label for side in sides), *(f"change, {side.label}" for side in sides[1:]))
    return Table(name, title, headings, rows, "Holm's correction is over the regions and runs.")


def segments_table(
    name: str, title: str, sides: Sequence[Side], endpoints: Sequence[Endpoint], scores: SegmentScores
) -> Table:
    """A row a segment and side: the metrics, and the changes of the primary ones (of the first, without truth)."""
    changed = [endpoint for endpoint in endpoints if endpoint.primary] or list(endpoints[:1])
    compared = _corrected_over_segments(sides, changed, scores)
    rows = []
    for index, segment in enumerate(scores.segments):
        measure = scores.measure(index)
        for place, side in enumerate(sides):
            found = compared[index][place - 1] if place else {}
            changes = [change_cell(found.get(endpoint.metric)) for endpoint in changed]
            values = [value_cell(side, endpoint, measure) for endpoint in endpoints]
            rows.append([Cell(segment.words, segment.start_s), Cell(side.label), *values, *changes])
    headings = ("segment", "run", *(e.heading for e in endpoints), *(_change_heading(e) for e in changed))
    note = (
        "Seconds of one clip share its networks: they show where a difference lies, and repeat nothing. Holm's "
        "correction is over the segments."
    )
    return Table(name, title, headings, rows, note)


def _corrected_over_segments(
    sides: Sequence[Side], endpoints: Sequence[Endpoint], scores: SegmentScores
) -> list[list[dict[str, Comparison]]]:
    """Segment -> side but the first -> metric -> test, corrected over all segments and sides."""
    named = {f"{index} {e.metric}": (index, e) for index in range(len(scores.segments)) for e in endpoints}
    measures = [scores.measure(index) for index in range(len(scores.segments))]
    asked = [
        Endpoint(name, e.heading, e.words, e.unit, e.better, e.relative, primary=False)
        for name, (_, e) in named.items()
    ]
    compared = compare_sides(sides, asked, lambda member, name: measures[named[name][0]](member, named[name][1].metric))
    return [
        [{e.metric: tests[name] for name, (at, e) in named.items() if at == index and name in tests}
         for tests in compared]
        for index in range(len(scores.segments))
    ]  # fmt: skip


def repeat_words(side: Side) -> str:
    """What repeats a side: ``3 seeds``, ``2 source networks``."""
    if len(side.networks) > 1:
        return f"{len(side.networks)} source networks"
    return f"{side.seed_count} seed{'s' * (side.seed_count != 1)}" if side.seeded else "one network"


def value_cell(side: Side, endpoint: Endpoint, measure: Measure) -> Cell:
    """Mean and interval of one side; the interval of what cannot be negative ends at zero."""
    values = own_values(side, endpoint.metric, measure)
    if values is None:
        return Cell(NONE)
    interval = bootstrap_interval(values)
    if endpoint.relative and interval.mean >= 0:
        interval = interval._replace(low=max(interval.low, 0.0))
    return Cell(f"{number(interval.mean)} {_bounds(interval, number)}", interval.mean)


def change_cell(comparison: Comparison | None) -> Cell:
    """``-45 % [-60, -25] p 0.010 *``; the star where a difference is shown."""
    if comparison is None or math.isnan(comparison.change.mean):
        return Cell(NONE)
    change, relative = comparison.change, comparison.endpoint.relative
    text = f"{percent(change.mean)} %" if relative else signed(change.mean)
    text += f" {_bounds(change, percent if relative else signed)}"
    if not math.isnan(comparison.corrected):
        text += f" p {p_value(comparison.corrected)}{' *' * comparison.shown}"
    neither = comparison.endpoint.better is Better.NEITHER
    kind = "" if neither or not comparison.shown else "better" if comparison.improved else "worse"
    return Cell(text, change.mean, kind)


def _bounds(interval: Interval, write: object) -> str:
    assert callable(write)
    return bounds(write(interval.low), write(interval.high))


def _change_heading(endpoint: Endpoint) -> str:
    name, _, unit = endpoint.heading.rpartition(" ")
    return f"change of {name if endpoint.relative and name and unit == endpoint.unit else endpoint.heading}"


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def text_lines(table: Table) -> Iterator[str]:
    """A table for the terminal: columns aligned, long last columns as they are."""
    yield table.title
    cells = [list(table.headings), *([cell.text for cell in row] for row in table.rows)]
    if table.rows:
        widths = [max(len(row[column]) for row in cells) for column in range(len(table.headings))]
        numbers = [all(row[c].value is not None or row[c].text == NONE for row in table.rows)
                   for c in range(len(widths))]  # fmt: skip
        for row in cells:
            padded = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numbers, strict=True)
            ]
            yield f"  {'  '.join(padded)}".rstrip()
    if table.note:
        yield f"  {table.note}"
