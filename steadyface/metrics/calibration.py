"""How good probabilities are: do they rank (area under the ROC), and do they mean what they say (calibration error)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

BINS = 10


def area_under_roc(score: ArrayLike, positive: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties counting half (Mann and Whitney 1947).

    Args:
        score: (n,).
        positive: (n,) bool.

    Returns:
        0 to 1; nan where all are of one kind.
    """
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float("nan")
    return float((rankdata(score)[positive].sum() - count * (count + 1) / 2) / (count * others))


class Reliability(NamedTuple):
    """What was said and what came, a bin each: stated and observed in [0, 1], cases; (bins,) each."""

    stated: NDArray[np.float64]
    observed: NDArray[np.float64]
    cases: NDArray[np.int64]


def reliability(probability: ArrayLike, outcome: ArrayLike, bins: int = BINS) -> Reliability:
    """Mean probability and share of outcomes in bins of equal mass: as many cases in each, in order of probability.

    Cases of the same probability are in the order given, so that a bin may part them.

    Args:
        probability: (n,) in [0, 1].
        outcome: (n,) bool.
        bins: their number; fewer where there are fewer cases.
    """
    probability, outcome = np.asarray(probability, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    stated = np.array([probability[part].mean() for part in parts])
    observed = np.array([outcome[part].mean() for part in parts])
    return Reliability(stated, observed, np.array([len(part) for part in parts]))


def expected_calibration_error(probability: ArrayLike, outcome: ArrayLike, bins: int = BINS) -> float:
    """Mean distance between stated and observed over bins of equal mass, weighted by their cases (Naeini et al. 2015).

    Arguments as ``reliability``; nan without cases.
    """
    found = reliability(probability, outcome, bins)
    if not len(found.cases):
        return float("nan")
    return float((np.abs(found.stated - found.observed) * found.cases).sum() / found.cases.sum())
