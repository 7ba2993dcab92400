"""A side's values as the statistics want them: which of them repeat one another, and over what.

Two adaptations of one source network under different seeds are repeats of one setting, and so are two source networks
that were trained under different seeds. Frames and seconds of one clip repeat nothing: they share the network.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import NamedTuple

from launcher.compare.sides import Member, Side
from steadyface.metrics.statistics import Nested

Measure = Callable[[Member, str], list[float] | None]
"""(member, metric) -> a value a seed, one where no seed changes the row; None where it was not measured."""


class Pair(NamedTuple):
    """Two sides' values of one metric, of the same shape but for their seeds."""

    row: Nested
    against: Nested


def by_network(side: Side, metric: str, measure: Measure) -> dict[str, list[float]] | None:
    """Source network -> the values of its seeds; None unless every member was measured."""
    found: dict[str, list[float]] = {}
    for member in side.members:
        values = measure(member, metric)
        if values is None:
            return None
        found.setdefault(member.network, []).extend(values)
    return found


def own_values(side: Side, metric: str, measure: Measure) -> Nested | None:
    """The values that tell how a side varies: over seeds, or over source networks where there are several."""
    found = by_network(side, metric, measure)
    if found is None:
        return None
    if len(found) > 1:
        return [[[fmean(values) for values in found.values()]]]
    return [list(found.values())]


def paired_values(side: Side, first: Side, metric: str, measure: Measure) -> Pair | None:
    """The values that a difference is judged by; None where a side was not measured.

    One source network behind both: its seeds. The same several behind both: paired by network. Different ones: a mean
    for each network. Where the repeats do not suffice (`missing_repeats`), one mean a side: no interval then.
    """
    row, against = by_network(side, metric, measure), by_network(first, metric, measure)
    if row is None or against is None:
        return None
    if missing_repeats(side, first):
        return Pair([[[mean_of(row)]]], [[[mean_of(against)]]])
    if row.keys() == against.keys():
        return Pair([[row[network] for network in row]], [[against[network] for network in row]])
    return Pair([[[fmean(v) for v in row.values()]]], [[[fmean(v) for v in against.values()]]])


def mean_of(values: dict[str, list[float]]) -> float:
    return fmean(fmean(seeds) for seeds in values.values())


def missing_repeats(side: Side, first: Side) -> str:
    """What keeps a difference from being told from chance, with what to do; empty where nothing does."""
    if set(side.networks) != set(first.networks):
        few = [one.label for one in (first, side) if len(one.networks) < 2]
        if not few:
            return ""
        return (
            "they come from different source networks, and one training of each cannot be told from another seed of "
            f"the same setting; train {' and '.join(few)} under pretraining.seed=0, 1 and 2 too, and join the runs of "
            "one setting: RUN+RUN+RUN"
        )
    if len(side.networks) > 1:
        return ""
    if not side.seeded and not first.seeded:
        return (
            "both come from one source network without a seed of their own, so nothing is repeated; join runs under "
            "pretraining.seed=0, 1 and 2: RUN+RUN+RUN"
        )
    few = [one.label for one in (first, side) if one.seeded and one.seed_count < 2]
    if not few:
        return ""
    have = "has" if len(few) == 1 else "have"
    return f"{' and '.join(few)} {have} one seed, and one seed cannot be told from another; run with seeds=[0,1,2]"


def scored(clip_name: Callable[[Member], str]) -> Measure:
    """The values of ``summary.json``, over the whole clip."""

    def measure(member: Member, metric: str) -> list[float] | None:
        values = member.run.summary[clip_name(member)][member.row].get(metric)
        if not values or any(value is None for value in values):
            return None
        return list(values) if member.seeds else list(values[:1])

    return measure
