"""How likely a frame, and each of its regions, is right: a logistic model over the evidence.

Right is what ``steadyface.metrics.frame_correctness`` says. The evidence is taken as it is, in units of the
lab's own statistics, and beside what is usual in the clip itself: so one calibration serves every subject.
``confidence.json`` is the one that ships; ``docs/confidence.md`` says how it was made and what it is worth.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from steadyface.errors import InputError
from steadyface.tracking.confidence_features import Numbers, frame_features, region_features
from steadyface.tracking.evidence import Evidence
from steadyface.tracking.presence import presence_features

VERSION = 1
"""Of the features: a calibration of another version does not fit them."""

SHIPPED = Path(__file__).with_name("confidence.json")

_RIDGE = 300.0
"""Weight of the coefficients' squares, in cases. Chosen by fitting on one subject of the calibration and judging on
the other: frames of a clip are alike, and so many count as few."""

_LARGEST = 4.0
"""Deviations from the mean beyond which a feature says no more: what was never seen must not decide alone."""


@dataclass(frozen=True)
class Logistic:
    """Probability = sigmoid(bias + weights . (features - mean) / deviation). Each list has a number a feature."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: Numbers) -> Numbers:
        """Features (n, F) -> probabilities (n,); a feature that is nan says nothing."""
        logit = self.bias + _standardise(features, np.array(self.mean), np.array(self.deviation)) @ self.weights
        return 1.0 / (1.0 + np.exp(-logit))


def _standardise(features: Numbers, mean: Numbers, deviation: Numbers) -> Numbers:
    return np.clip(np.nan_to_num((features - mean) / deviation, nan=0.0), -_LARGEST, _LARGEST)


def fit_logistic(
    features: Numbers, outcome: NDArray[np.bool_], names: tuple[str, ...], ridge: float = _RIDGE, balanced: bool = False
) -> Logistic:
    """The logistic model of greatest likelihood, its coefficients (not the bias) drawn to 0 by a ridge.

    Args:
        features: (n, F); nan where nothing is known.
        outcome: (n,) bool.
        names: of the F features.
        ridge: half of it times the sum of squares is added to the negative log-likelihood.
        balanced: whether both outcomes count alike, however often they came.
    """
    mean = np.nanmean(features, axis=0)
    deviation = np.maximum(np.nanstd(features, axis=0), 1e-6)
    known = _standardise(features, mean, deviation)
    sign = np.where(outcome, 1.0, -1.0)
    share = np.where(outcome, outcome.mean(), (~outcome).mean()) if balanced else 0.5
    weight = 0.5 / np.maximum(share, 1e-12)

    def loss(values: Numbers) -> tuple[float, Numbers]:
        margin = sign * (known @ values[:-1] + values[-1])
        pull = -sign * weight / (1.0 + np.exp(margin))
        gradient = np.append(known.T @ pull + ridge * values[:-1], pull.sum())
        return float((weight * np.logaddexp(0.0, -margin)).sum() + 0.5 * ridge * (values[:-1] ** 2).sum()), gradient

    found = minimize(loss, np.zeros(known.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return Logistic(tuple(names), _listed(mean), _listed(deviation), _listed(found[:-1]), float(found[-1]))


def _listed(numbers: Numbers) -> tuple[float, ...]:
    return tuple(float(value) for value in numbers)


def usual_evidence(evidence: Evidence) -> Evidence:
    """What is usual in a clip: the medians over the half of its frames whose points are surest.

    Over all of them where there are no points. Shapes: T frames -> one.
    """
    doubt, known = evidence.doubt, torch.isfinite(evidence.doubt)
    sure = doubt <= doubt[known].median() if bool(known.any()) else torch.ones_like(known)
    return Evidence(*(values[sure].nanmedian(0, keepdim=True).values for values in evidence))


@dataclass(frozen=True)
class Calibration:
    """From evidence to probabilities. made: how it was fitted, for whoever reads the file."""

    frame_model: Logistic
    region_model: Logistic
    presence_model: Logistic
    made: str
    version: int = VERSION

    def frame(self, evidence: Evidence, usual: Evidence | None = None) -> Tensor:
        """Probability that each of T frames is right, (T,) float32.

        Args:
            evidence: of neighbouring frames of one clip, in order.
            usual: `usual_evidence` of what was seen so far, where the clip is not known whole; else of these frames.
        """
        features, _ = frame_features(evidence, usual or usual_evidence(evidence))
        return torch.from_numpy(self.frame_model(features)).float()

    def regions(self, evidence: Evidence, usual: Evidence | None = None) -> Tensor:
        """The same of each region, (T, R); arguments as ``frame``."""
        features, _ = region_features(evidence, usual or usual_evidence(evidence))
        shape = features.shape[:2]
        return torch.from_numpy(self.region_model(features.reshape(-1, features.shape[2])).reshape(shape)).float()

    def presence(self, evidence: Evidence) -> Tensor:
        """Probability that a face is there at all, whoever's, in each of T frames, (T,); `presence.present` decides."""
        return torch.from_numpy(self.presence_model(presence_features(evidence))).float()

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Calibration:
        """Read what ``save`` wrote. Raises InputError where it is none, or of another version."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            names = ("frame_model", "region_model", "presence_model")
            frame, region, there = (_logistic(content[name]) for name in names)
            found = cls(frame, region, there, str(content["made"]), int(content["version"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise InputError(path, "a confidence calibration", got, "make it again") from error
        if found.version != VERSION:
            raise InputError(path, f"version {VERSION}", str(found.version), "make it again")
        return found


def _logistic(content: dict[str, Any]) -> Logistic:
    """The model of what JSON holds of it. Raises KeyError or TypeError where something is missing."""
    lists = (_listed(np.array(content[name], dtype=np.float64)) for name in ("mean", "deviation", "weights"))
    mean, deviation, weights = lists
    return Logistic(tuple(map(str, content["names"])), mean, deviation, weights, float(content["bias"]))


@lru_cache(maxsize=1)
def shipped_calibration() -> Calibration:
    """The calibration that comes with the package."""
    return Calibration.load(SHIPPED)
