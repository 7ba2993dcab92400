"""The features of confidence: the evidence, against the lab, against what is usual in the clip, and in time.

Changing them changes ``confidence.VERSION``.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.tracking.evidence import Evidence

Numbers = NDArray[np.float64]

NEIGHBOURS = 2
"""Frames before and after that a frame's context is made of."""

_LEAST = 1e-4  # of what a logarithm is taken of


def _logarithm(values: Tensor) -> Tensor:
    return values.double().clamp(min=_LEAST).log()


def _whole(evidence: Evidence) -> dict[str, Tensor]:
    """Numbers of a frame, (T,) float64 each."""
    return {
        "residual": evidence.residual.double(),
        "correlation": evidence.correlation.double(),
        "outside": evidence.outside.double(),
        "coverage": evidence.coverage.double(),
        "contrast": evidence.contrast.double(),
        "latent_distance": evidence.latent_distance.double(),
        "doubt": _logarithm(evidence.doubt),
        "misfit": _logarithm(evidence.misfit),
        "peak": _logarithm(evidence.peak),
        "worst_residual": _extreme(evidence.region_residual, largest=True),
        "least_correlation": _extreme(evidence.region_correlation, largest=False),
        "worst_contrast": _extreme(evidence.region_contrast, largest=False),
        "least_coverage": _extreme(evidence.region_coverage, largest=False),
        "worst_doubt": _extreme(_logarithm(evidence.region_doubt), largest=True),
        "worst_misfit": _extreme(_logarithm(evidence.region_misfit), largest=True),
    }


def _extreme(values: Tensor, largest: bool) -> Tensor:
    """Largest or smallest over the regions that are known, (T, R) -> (T,); nan where there are none."""
    if values.shape[1] == 0:
        return values.new_full((len(values),), torch.nan).double()
    sign = 1.0 if largest else -1.0
    found = (sign * values.double()).nan_to_num(nan=-torch.inf).amax(1)
    return sign * found.masked_fill(torch.isinf(found), torch.nan)


def _each(evidence: Evidence) -> dict[str, Tensor]:
    """Numbers of a region, (T, R) float64 each."""
    return {
        "residual": evidence.region_residual.double(),
        "correlation": evidence.region_correlation.double(),
        "outside": evidence.region_outside.double(),
        "coverage": evidence.region_coverage.double(),
        "contrast": evidence.region_contrast.double(),
        "doubt": _logarithm(evidence.region_doubt),
        "misfit": _logarithm(evidence.region_misfit),
    }


def _beside_usual(values: dict[str, Tensor], usual: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}_over_usual": value - usual[name] for name, value in values.items()}


def in_context(values: Tensor) -> Tensor:
    """Median over a frame and its ``NEIGHBOURS`` on either side, fewer at the ends; (T, ...) -> the same; nan left out.

    >>> in_context(torch.tensor([0.0, 9.0, 0.0, 0.0, 5.0]))
    tensor([0., 0., 0., 0., 0.])
    """
    shape = (NEIGHBOURS, *values.shape[1:])
    edge = values.new_full(shape, torch.nan)
    padded = torch.cat([edge, values, edge])
    shifted = torch.stack([padded[step : step + len(values)] for step in range(2 * NEIGHBOURS + 1)])
    return shifted.nanmedian(0).values


_IN_TIME = ("residual", "correlation", "doubt", "misfit", "worst_residual", "worst_doubt", "worst_misfit")


def frame_features(evidence: Evidence, usual: Evidence) -> tuple[Numbers, tuple[str, ...]]:
    """(T, F) features of T frames, and their names; nan where nothing is known.

    Args:
        evidence: of neighbouring frames, in order.
        usual: one row, what is usual in their clip.
    """
    values = _whole(evidence)
    relative = _beside_usual(values, _whole(usual))
    context = {f"{name}_in_time": in_context(relative[f"{name}_over_usual"]) for name in _IN_TIME}
    features = values | relative | context
    return torch.stack(list(features.values()), dim=1).numpy(), tuple(features)


def region_features(evidence: Evidence, usual: Evidence) -> tuple[Numbers, tuple[str, ...]]:
    """(T, R, G) features of T frames' R regions, those of the frame among them, and their names; as `frame_features`."""
    values = _each(evidence)
    relative = _beside_usual(values, _each(usual))
    context = {f"{name}_in_time": in_context(relative[f"{name}_over_usual"]) for name in ("residual", "doubt", "misfit")}
    whole = _whole(evidence)
    whole_relative = _beside_usual(whole, _whole(usual))
    regions = evidence.region_residual.shape[1]
    chosen = {name: value for name, value in (whole | whole_relative).items() if not name.startswith(("worst", "least"))}
    shared = {f"frame_{name}": value[:, None].expand(-1, regions) for name, value in chosen.items()}
    features = values | relative | context | shared
    return torch.stack(list(features.values()), dim=2).numpy(), tuple(features)
