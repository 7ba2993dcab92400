"""Intervals, tests and equivalence over subjects, clips and seeds.

A row's values of one metric are ``values[subject][clip][seed]``. All three are random effects:
the bootstrap draws subjects, within them clips, within those seeds, each with replacement. Rows are
compared on the same subjects and clips; their seeds are unpaired and drawn on their own, so that two
seeds of one setting come out as no difference. A row without seeds (the source) is one value, once
or repeated.

Few subjects: a percentile bootstrap over three subjects covers about 75 %, not 95 %, because its draws
have (n - 1) / n of the variance and no Student tails. Every draw's deviation is therefore widened by
``sqrt(n / (n - 1))`` and by ``sqrt(df / chi2(df))``, df = n - 1, which turns normal tails into
Student's; n counts the subjects (with one subject its clips, with one clip its seeds). An interval is
symmetric, the quantile of the absolute widened deviations, and the p-value is its inverse: p < 0.05 if
and only if the 95 % interval excludes no change. With one subject everything said holds for that
subject only; with nothing repeated at all, interval and p are nan: nothing can be said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.randomness import derive_seed

Nested = Sequence[Sequence[Sequence[float]]]
Statistic = Callable[[Tensor], Tensor]


class Interval(NamedTuple):
    """A value and the interval around it, in the value's unit; nan bounds: unknown."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A row against another: row - against (metric's unit) and row / against - 1, with two-sided p-values.

    The relative part compares on the log scale and is nan unless every value is positive.
    """

    absolute: Interval
    relative: Interval
    p_absolute: float
    p_relative: float


class Equivalence(NamedTuple):
    """Two one-sided tests at 5 %: equivalent when the 90 % interval lies within +-margin."""

    interval: Interval
    margin: float
    equivalent: bool


def bootstrap_interval(values: Nested, level: float = 0.95, draws: int = 4000, seed: int = 0) -> Interval:
    """Mean over subjects (of means over clips, of means over seeds) with its interval.

    Raises:
        InputError: when a level is empty or a value is not finite.

    >>> bootstrap_interval([[[2.0, 2.0]], [[2.0, 2.0]]])
    Interval(mean=2.0, low=2.0, high=2.0)
    """
    _check([values])
    return _interval(*_draw([values], draws, seed).spread(lambda means: means[0]), level)


def paired_difference(
    row: Nested, against: Nested, level: float = 0.95, draws: int = 4000, seed: int = 0
) -> Difference:
    """How ``row`` differs from ``against`` on the same subjects and clips; seeds are unpaired.

    p: two-sided, the share of null-centred draws that lie as far from no change as the estimate does,
    ``(1 + count) / (1 + draws)``: never below ``1 / (1 + draws)``.

    Raises:
        InputError: when the rows' subjects or clips differ in number, or a value is not finite.
    """
    _check([row, against])
    drawn = _draw([row, against], draws, seed)
    change = drawn.spread(lambda means: means[0] - means[1])
    positive = _all_positive(row) and _all_positive(against)
    log_ratio = drawn.spread(lambda means: (means[0] / means[1]).log() if positive else means[0] * math.nan)
    return Difference(
        absolute=_interval(*change, level),
        relative=Interval(*torch.tensor(_interval(*log_ratio, level), dtype=torch.float64).expm1().tolist()),
        p_absolute=_p_value(*change),
        p_relative=_p_value(*log_ratio),
    )


def equivalence(
    row: Nested, against: Nested, margin: float, relative: bool = True, draws: int = 4000, seed: int = 0
) -> Equivalence:
    """Whether ``row`` is ``against`` to within ``margin``: "no difference" as something shown, not as p > 0.05.

    Args:
        margin: above 0; a share (0.05 is 5 %) when ``relative``, otherwise in the metric's unit.
    """
    if not margin > 0:
        raise InputError("margin", "a number above 0", str(margin), "state what difference would not matter")
    difference = paired_difference(row, against, level=0.9, draws=draws, seed=seed)
    interval = difference.relative if relative else difference.absolute
    return Equivalence(interval, margin, -margin < interval.low and interval.high < margin)


def gap_closed(
    row: Nested, source: Nested, ceiling: Nested, level: float = 0.95, draws: int = 4000, seed: int = 0
) -> Interval:
    """Share of the gap between source and ceiling that ``row`` closed: 0 the source, 1 the ceiling.

    For metrics where lower is better. nan where the ceiling is no better than the source; draws where it
    is no better count as infinitely far, so that a gap which is not sure itself gives an unbounded interval.
    """
    _check([row, source, ceiling])

    def share(means: Tensor) -> Tensor:
        gap = means[1] - means[2]
        return torch.where(gap > 0, (means[1] - means[0]) / gap, math.nan)

    estimate, deviations = _draw([row, source, ceiling], draws, seed).spread(share)
    if math.isfinite(estimate) and _replicates([row, source, ceiling]) > 1:
        deviations = deviations.nan_to_num(math.inf)
    return _interval(estimate, deviations, level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given; nan stays nan and is not counted.

    Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted


class _Draws(NamedTuple):
    """The rows' means (R,), their resampled means (R, draws), and what widens a deviation (draws,)."""

    means: Tensor
    drawn: Tensor
    widening: Tensor

    def spread(self, statistic: Statistic) -> tuple[float, Tensor]:
        """A statistic of the rows' means, and its draws' widened deviations from it (draws,)."""
        estimate = statistic(self.means)
        return float(estimate), (statistic(self.drawn) - estimate) * self.widening


def _draw(rows: Sequence[Nested], draws: int, seed: int) -> _Draws:
    means = torch.tensor([_mean(row) for row in rows], dtype=torch.float64)
    count = _replicates(rows)
    if count < 2:
        return _Draws(means, means[:, None].expand(-1, draws), torch.full((draws,), math.nan, dtype=torch.float64))
    generator = torch.Generator().manual_seed(derive_seed(seed, "bootstrap"))
    chi_square = torch.randn(count - 1, draws, generator=generator, dtype=torch.float64).square().sum(0)
    # sqrt(n / (n - 1)) sqrt(df / chi2) with df = n - 1
    return _Draws(means, _draw_subjects(rows, draws, generator), (count / chi_square).sqrt())


def _draw_subjects(rows: Sequence[Nested], draws: int, generator: torch.Generator) -> Tensor:
    """Resampled means of each row (R, draws): all rows see the same subjects and clips, each its own seeds."""
    clip_counts = torch.tensor([len(clips) for clips in rows[0]])
    subject = torch.randint(len(clip_counts), (draws, len(clip_counts), 1), generator=generator)
    clips = clip_counts[subject].expand(-1, -1, int(clip_counts.max()))
    clip = _pick(clips, generator)  # (draws, S, C), of which a subject has the first `clips`
    means = []
    for row in rows:
        values, seed_counts = _padded(row)
        seeds = seed_counts[subject, clip][..., None].expand(-1, -1, -1, values.shape[-1])
        drawn = values[subject[..., None], clip[..., None], _pick(seeds, generator)]
        means.append(_mean_of_first(_mean_of_first(drawn, seeds), clips).mean(-1))
    return torch.stack(means)


def _padded(row: Nested) -> tuple[Tensor, Tensor]:
    """Values (S, C, E), zero where there is none, and how many seeds each clip has (S, C)."""
    most_clips, most_seeds = max(map(len, row)), max(len(seeds) for clips in row for seeds in clips)
    values = torch.zeros(len(row), most_clips, most_seeds, dtype=torch.float64)
    counts = torch.ones(len(row), most_clips, dtype=torch.long)
    for s, clips in enumerate(row):
        for c, seeds in enumerate(clips):
            values[s, c, : len(seeds)] = torch.tensor(seeds, dtype=torch.float64)
            counts[s, c] = len(seeds)
    return values, counts


def _pick(counts: Tensor, generator: torch.Generator) -> Tensor:
    """An index below each count, all equally likely."""
    return (torch.rand(counts.shape, generator=generator, dtype=torch.float64) * counts).long()


def _mean_of_first(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the first ``counts`` of the last axis; counts (..., n) is the same all along that axis."""
    present = torch.arange(values.shape[-1]) < counts
    return (values * present).sum(-1) / counts[..., 0]


def _interval(estimate: float, deviations: Tensor, level: float) -> Interval:
    # "higher" never averages a finite deviation with an infinite one, and errs to the wide side
    half = float(torch.quantile(deviations.abs(), level, interpolation="higher"))
    return Interval(estimate, estimate - half, estimate + half)


def _p_value(estimate: float, deviations: Tensor) -> float:
    if math.isnan(estimate) or bool(deviations.isnan().any()):
        return math.nan
    return (1 + int((deviations.abs() >= abs(estimate)).sum())) / (1 + len(deviations))


def _mean(values: Nested) -> float:
    subjects = [math.fsum(math.fsum(seeds) / len(seeds) for seeds in clips) / len(clips) for clips in values]
    return math.fsum(subjects) / len(subjects)


def _replicates(rows: Sequence[Nested]) -> int:
    """How many units the top level that is repeated at all has; seeds: the fewest of the rows with several."""
    subjects = rows[0]
    if len(subjects) > 1:
        return len(subjects)
    if len(subjects[0]) > 1:
        return len(subjects[0])
    return min((len(row[0][0]) for row in rows if len(row[0][0]) > 1), default=1)


def _all_positive(values: Nested) -> bool:
    return all(value > 0 for clips in values for seeds in clips for value in seeds)


def _check(rows: Sequence[Nested]) -> None:
    """Refuse an empty level, a value that is not finite, and rows of differing subjects or clips."""
    shapes = [[len(clips) for clips in row] for row in rows]
    if any(shape != shapes[0] for shape in shapes):
        raise InputError("values", "rows of the same subjects and clips", str(shapes), "give every row all of them")
    for row in rows:
        leaves = [seeds for clips in row for seeds in clips]
        if not leaves or not all(shapes[0]) or not all(leaves):
            raise InputError("values", "subjects, clips and seeds", "an empty level", "leave the metric out")
        if not all(math.isfinite(value) for seeds in leaves for value in seeds):
            raise InputError("values", "finite numbers", "nan or infinity", "leave the metric or the row out")
