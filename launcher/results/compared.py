"""Every number of the page, computed once: intervals, differences, shares of the gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.outcome import ADAPTED
from launcher.results.endpoints import FURTHER, TOGETHER, WITHOUT_TRUTH, Better, Endpoint
from launcher.results.inputs import Study
from steadyface.metrics.statistics import (
    Equivalence,
    Interval,
    bootstrap_interval,
    equivalence,
    gap_closed,
    holm,
    paired_difference,
)

SIGNIFICANCE = 0.05
RIVALS = ("source", "source_smoothed")
CEILINGS = ("supervised_all", "decoder_floor")


@dataclass(frozen=True)
class Comparison:
    """A row against a rival in one metric.

    change: a share of the rival's value where the endpoint is relative, otherwise in its unit.
    p: two-sided; corrected: Holm's p among the comparison's secondary endpoints, p itself for a primary one.
    """

    endpoint: Endpoint
    change: Interval
    p: float
    corrected: float

    @property
    def shown(self) -> bool:
        """Whether a difference is shown at 5 %; False where nothing can be said."""
        return self.corrected < SIGNIFICANCE

    @property
    def improved(self) -> bool:
        return self.shown and self.change.mean * self.endpoint.better > 0


@dataclass(frozen=True)
class ClipResults:
    """One kind of clip.

    groups: the tables' columns; values: row -> metric -> mean and interval; against: rival -> row -> metric
    -> test; gaps: ceiling -> row -> metric -> share of the gap between source and ceiling that was closed.
    """

    clip: str
    rows: list[str]
    groups: tuple[tuple[Endpoint, ...], ...]
    values: dict[str, dict[str, Interval]]
    against: dict[str, dict[str, dict[str, Comparison]]]
    gaps: dict[str, dict[str, dict[str, Interval]]]

    @property
    def words(self) -> str:
        return self.clip.replace("_", " ").replace("held out", "held-out")


def compare_clip(study: Study, clip: str) -> ClipResults:
    """All numbers of one kind of clip."""
    rows = study.rows[clip]
    groups = endpoint_groups(study, clip)
    endpoints = [endpoint for group in groups for endpoint in group]
    variants = [row for row in study.runs[0].settings.get("variants") or {} if row in rows]
    compared = {rival: [row for row in rows if row != rival] for rival in RIVALS if rival in rows}
    if ADAPTED in rows and variants:
        compared[ADAPTED] = variants
    return ClipResults(
        clip,
        rows,
        groups,
        values={row: row_intervals(study, clip, row, endpoints) for row in rows},
        against={
            rival: {row: row_tests(study, clip, row, rival, endpoints) for row in others}
            for rival, others in compared.items()
        },
        gaps={ceiling: gap_shares(study, clip, ceiling, endpoints) for ceiling in CEILINGS if ceiling in rows},
    )


def endpoint_groups(study: Study, clip: str) -> tuple[tuple[Endpoint, ...], ...]:
    """The columns of the clip's tables: those that at least one row has."""

    def measured(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
        rows = study.rows[clip]
        return tuple(e for e in endpoints if any(study.values(clip, row, e.metric) is not None for row in rows))

    together = measured(TOGETHER)
    if not any(endpoint.primary for endpoint in together):
        return (measured(WITHOUT_TRUTH),)
    return tuple(group for group in (together, measured(FURTHER)) if group)


def row_intervals(study: Study, clip: str, row: str, endpoints: Sequence[Endpoint]) -> dict[str, Interval]:
    """Metric -> mean and 95 % interval of one row; an interval of what cannot be negative ends at zero."""
    intervals = {}
    for endpoint in endpoints:
        values = study.values(clip, row, endpoint.metric)
        if values is not None:
            interval = bootstrap_interval(values)
            low = max(interval.low, 0.0) if endpoint.relative and interval.mean >= 0 else interval.low
            intervals[endpoint.metric] = interval._replace(low=low)
    return intervals


def row_tests(
    study: Study, clip: str, row: str, rival: str, endpoints: Sequence[Endpoint]
) -> dict[str, Comparison]:
    """Metric -> test of a row against a rival; Holm's family is the secondary endpoints of this comparison."""
    found: list[tuple[Endpoint, Interval, float]] = []
    for endpoint in endpoints:
        ours, theirs = study.values(clip, row, endpoint.metric), study.values(clip, rival, endpoint.metric)
        if ours is not None and theirs is not None:
            difference = paired_difference(ours, theirs)
            if endpoint.relative:
                found.append((endpoint, difference.relative, difference.p_relative))
            else:
                found.append((endpoint, difference.absolute, difference.p_absolute))
    corrected = holm([math.nan if endpoint.primary else p for endpoint, _, p in found])
    return {
        endpoint.metric: Comparison(endpoint, change, p, p if endpoint.primary else holm_p)
        for (endpoint, change, p), holm_p in zip(found, corrected, strict=True)
    }


def gap_shares(
    study: Study, clip: str, ceiling: str, endpoints: Sequence[Endpoint]
) -> dict[str, dict[str, Interval]]:
    """Row -> metric -> share of the gap between source and ceiling that the row closed, errors only."""
    errors = [endpoint for endpoint in endpoints if endpoint.better == Better.LOWER]
    shares: dict[str, dict[str, Interval]] = {}
    for row in study.rows[clip]:
        if "source" not in study.rows[clip] or row in {"source", "decoder_floor", ceiling}:
            continue
        for endpoint in errors:
            ours, source, best = (
                study.values(clip, name, endpoint.metric) for name in (row, "source", ceiling)
            )
            if ours is not None and source is not None and best is not None:
                shares.setdefault(row, {})[endpoint.metric] = gap_closed(ours, source, best)
    return shares


def row_equivalence(
    study: Study, clip: str, row: str, rival: str, endpoint: Endpoint, margin: float
) -> Equivalence | None:
    """Whether a row is its rival to within a share ``margin``; None where either was not measured."""
    ours, theirs = study.values(clip, row, endpoint.metric), study.values(clip, rival, endpoint.metric)
    return None if ours is None or theirs is None else equivalence(ours, theirs, margin)
