from __future__ import annotations

import itertools
import math

import pytest
import torch

from steadyface.errors import InputError
from steadyface.metrics.statistics import (
    Interval,
    bootstrap_interval,
    equivalence,
    gap_closed,
    holm,
    paired_difference,
)

SOURCE = [[[10.0, 10.0, 10.0]], [[20.0, 20.0, 20.0]], [[30.0, 30.0, 30.0]]]
HALVED = [[[5.0, 5.4, 4.8]], [[10.0, 9.5, 10.4]], [[15.5, 15.0, 14.6]]]


TRIALS = 200


def random_effects(generator: torch.Generator, sizes: tuple[int, int, int], deviations: tuple[float, float, float]):
    """[subject][clip][seed] around 10, each level with its own normal deviation."""
    subjects, clips, seeds = sizes
    shapes = [(subjects, 1, 1), (subjects, clips, 1), (subjects, clips, seeds)]
    parts = [
        deviation * torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape, deviation in zip(shapes, deviations, strict=True)
    ]
    return (10 + parts[0] + parts[1] + parts[2]).tolist()


def exact_deviations(values: list[list[list[float]]]) -> list[float]:
    """Deviations of every equally likely resampling of subjects and clips of one seed each, by plain loops."""
    mean = sum(sum(seed for (seed,) in clips) / len(clips) for clips in values) / len(values)
    found = []
    for subjects in itertools.product(values, repeat=len(values)):
        choices = [list(itertools.product(clips, repeat=len(clips))) for clips in subjects]
        for chosen in itertools.product(*choices):
            means = [sum(seed for (seed,) in clips) / len(clips) for clips in chosen]
            found.append(sum(means) / len(means) - mean)
    return found


def test_the_mean_weighs_subjects_equally_however_many_clips_each_has() -> None:
    ragged = [[[1.0, 3.0], [4.0]], [[9.0]]]
    assert bootstrap_interval(ragged, draws=50).mean == pytest.approx(((2 + 4) / 2 + 9) / 2)


def test_draws_are_those_of_an_exhaustive_loop_widened_by_student() -> None:
    values = [[[1.0], [2.0]], [[5.0], [4.0]], [[9.0], [6.0]]]
    exact = torch.tensor(exact_deviations(values), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    picked = exact[torch.randint(len(exact), (400_000,), generator=generator)]
    # df = 2: chi2 is -2 log(u), and sqrt(n / (n - 1)) sqrt(df / chi2) = sqrt(3 / chi2)
    chi_square = -2 * torch.rand(400_000, generator=generator, dtype=torch.float64).log()
    half = float(torch.quantile((picked * (3 / chi_square).sqrt()).abs(), 0.95))
    interval = bootstrap_interval(values, draws=40_000)
    assert interval.mean == pytest.approx(4.5)
    assert interval.high - interval.mean == pytest.approx(half, rel=0.04)
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)


def test_seeds_are_drawn_too() -> None:
    """One subject, one clip: the widened bootstrap of the seeds, near Student's interval of their mean."""
    seeds = [1.0, 2.0, 4.0, 3.5, 2.5, 0.5, 3.0, 2.0]
    interval = bootstrap_interval([[seeds]], draws=20_000)
    spread = torch.tensor(seeds, dtype=torch.float64).std() / math.sqrt(8)
    assert interval.high - interval.mean == pytest.approx(float(2.365 * spread), rel=0.06)  # t(7), 97.5 %


@pytest.mark.parametrize("deviations", [(1.0, 0.0, 0.0), (1.0, 0.5, 0.5), (0.0, 0.0, 1.0)])
def test_the_interval_of_three_subjects_covers_the_truth_at_least_as_often_as_it_says(
    deviations: tuple[float, float, float],
) -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for trial in range(TRIALS):
        values = random_effects(generator, (3, 2, 3), deviations)
        interval = bootstrap_interval(values, draws=200, seed=trial)
        covered += interval.low <= 10 <= interval.high
    assert covered / TRIALS > 0.95 - 2 * math.sqrt(0.95 * 0.05 / TRIALS)


@pytest.mark.parametrize("subjects", [1, 3])
def test_two_sets_of_seeds_of_one_setting_are_no_difference(subjects: int) -> None:
    generator = torch.Generator().manual_seed(1)
    shown = 0
    for trial in range(TRIALS):
        both = random_effects(generator, (subjects, 1, 6), (2.0, 0.0, 0.3))
        row, repeat = [[[s[:3] for s in clips] for clips in both], [[s[3:] for s in clips] for clips in both]]
        shown += paired_difference(row, repeat, draws=200, seed=trial).p_absolute < 0.05
    assert shown / TRIALS < 0.05 + 2 * math.sqrt(0.95 * 0.05 / TRIALS)


def test_a_difference_is_of_the_means_and_the_relative_one_of_their_ratio() -> None:
    difference = paired_difference(HALVED, SOURCE)
    means = [sum(clips[0]) / 3 for clips in HALVED]
    assert difference.absolute.mean == pytest.approx(sum(means) / 3 - 20)
    assert difference.relative.mean == pytest.approx(sum(means) / 60 - 1)
    assert -1 < difference.relative.low < difference.relative.mean < difference.relative.high < -0.4
    # halving every subject is sure on the log scale; the absolute changes differ threefold
    assert difference.p_relative < 0.01 < difference.p_absolute


def test_subjects_are_paired() -> None:
    """What all rows of a subject share drops out; the same numbers against another subject's do not."""
    shuffled = [SOURCE[1], SOURCE[2], SOURCE[0]]
    paired, unpaired = paired_difference(HALVED, SOURCE), paired_difference(HALVED, shuffled)
    assert unpaired.absolute.mean == pytest.approx(paired.absolute.mean)
    assert unpaired.p_relative > 0.1 > paired.p_relative


def test_seeds_are_not_paired() -> None:
    """The same three values under seeds of their own: no difference, but not a certain one."""
    seeds = [1.0, 2.0, 4.0]
    difference = paired_difference([[seeds]], [[seeds]])
    row = bootstrap_interval([[seeds]])
    assert difference.absolute.mean == 0.0
    assert difference.absolute.high == pytest.approx(math.sqrt(2) * (row.high - row.mean), rel=0.15)


def test_a_row_without_seeds_may_be_given_once_or_repeated() -> None:
    once = [[[10.0]], [[20.0]], [[30.0]]]
    repeated, single = paired_difference(HALVED, SOURCE), paired_difference(HALVED, once)
    assert single.relative.mean == pytest.approx(repeated.relative.mean)
    assert single.relative.high == pytest.approx(repeated.relative.high, abs=0.02)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_p_is_the_inverse_of_the_interval(level: float) -> None:
    generator = torch.Generator().manual_seed(3)
    outcomes = set()
    for trial in range(40):
        row = random_effects(generator, (4, 1, 2), (1.0, 0.0, 0.2))
        against = [[[10 - 0.06 * trial]]] * 4
        difference = paired_difference(row, against, level=level, draws=999, seed=trial)
        excluded = not difference.absolute.low <= 0 <= difference.absolute.high
        outcomes.add(excluded)
        if abs(difference.p_absolute - (1 - level)) > 0.005:
            assert excluded == (difference.p_absolute < 1 - level)
    assert outcomes == {True, False}


def test_p_is_never_below_its_floor() -> None:
    row = [[[1.0]], [[2.0]], [[4.0]]]
    assert paired_difference(row, [[[2.0]], [[4.0]], [[8.0]]], draws=99).p_relative == pytest.approx(1 / 100)


def test_what_can_be_negative_has_no_relative_difference() -> None:
    difference = paired_difference([[[-1.0, 2.0]]], [[[3.0, 4.0]]])
    assert math.isnan(difference.relative.mean) and math.isnan(difference.p_relative)
    assert math.isfinite(difference.absolute.low) and math.isfinite(difference.p_absolute)


def test_nothing_repeated_says_nothing() -> None:
    difference = paired_difference([[[1.0]]], [[[2.0]]])
    assert difference.absolute.mean == -1.0
    assert math.isnan(difference.absolute.low) and math.isnan(difference.p_absolute)
    assert not equivalence([[[1.0]]], [[[1.0]]], 0.5).equivalent


def test_the_same_call_draws_the_same() -> None:
    assert bootstrap_interval(HALVED) == bootstrap_interval(HALVED) != bootstrap_interval(HALVED, seed=1)


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04 -> x4 x3 x2 x1 = .02 .03 .06 .04 -> never falling: .02 .03 .06 .06
    assert holm([0.01, 0.04, math.nan, 0.03, 0.005]) == pytest.approx([0.03, 0.06, math.nan, 0.06, 0.02], nan_ok=True)
    assert holm([0.7, 0.6]) == [1.0, 1.0]


def test_equivalence_is_the_ninety_per_cent_interval_within_the_margin() -> None:
    factors = (1.0, 1.01, 0.99)
    repeat = [[[f * x for x in seeds] for seeds in clips] for clips, f in zip(HALVED, factors, strict=True)]
    expected = paired_difference(repeat, HALVED, level=0.9).relative
    tested = equivalence(repeat, HALVED, 0.2)
    assert tested.interval == expected and tested.equivalent
    assert not equivalence(repeat, HALVED, max(abs(expected.low), expected.high) * 0.99).equivalent
    assert not equivalence(SOURCE, HALVED, 0.2).equivalent
    assert equivalence(repeat, HALVED, 5.0, relative=False).interval != expected


def test_the_share_of_the_gap_by_hand() -> None:
    ceiling = [[[4.0]], [[8.0]], [[12.0]]]
    share = gap_closed(HALVED, SOURCE, ceiling)
    mean = sum(sum(clips[0]) / 3 for clips in HALVED) / 3
    assert share.mean == pytest.approx((20 - mean) / (20 - 8)) and share.low < share.mean < share.high < 1.1
    assert gap_closed(SOURCE, SOURCE, ceiling).mean == 0.0
    assert gap_closed(ceiling, SOURCE, ceiling) == Interval(1.0, 1.0, 1.0)


def test_no_gap_no_share() -> None:
    worse = [[[11.0]], [[21.0]], [[31.0]]]
    assert math.isnan(gap_closed(HALVED, SOURCE, worse).mean) and math.isnan(gap_closed(HALVED, SOURCE, worse).low)
    # on average a gap, but not for each subject: the share is anything
    unsure = [[[4.0]], [[40.0]], [[12.0]]]
    share = gap_closed(HALVED, SOURCE, unsure)
    assert math.isfinite(share.mean) and share.low == -math.inf and share.high == math.inf


@pytest.mark.parametrize("bad", [[], [[]], [[[]]], [[[math.nan]]], [[[1.0, math.inf]]]])
def test_bad_values_are_refused(bad: list) -> None:
    with pytest.raises(InputError):
        bootstrap_interval(bad)


def test_rows_of_other_subjects_or_clips_are_refused() -> None:
    with pytest.raises(InputError, match="same subjects and clips"):
        paired_difference(HALVED, SOURCE[:2])
    with pytest.raises(InputError, match="margin"):
        equivalence(HALVED, SOURCE, 0.0)
