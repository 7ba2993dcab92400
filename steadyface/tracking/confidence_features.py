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
        "expression": _logarithm(evidence.expression_mm),
        "turn": evidence.turn.double(),
        "doubt": _logarithm(evidence.doubt),
        "misfit": _logarithm(evidence.misfit),
        "peak": _logarithm(evidence.peak),
        "mean_correlation": evidence.region_correlation.double().nanmean(1),
        "worst_residual": _extreme(evidence.region_residual, largest=True),
        "least_correlation": _extreme(evidence.region_correlation, largest=False),
        "worst_contrast": _extreme(evidence.region_contrast, largest=False),
        "least_coverage": _extreme(evidence.region_coverage, largest=False),
        "worst_expression": _extreme(_logarithm(evidence.region_expression_mm), largest=True),
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
        "expression": _logarithm(evidence.region_expression_mm),
        "doubt": _logarithm(evidence.region_doubt),
        "misfit": _logarithm(evidence.region_misfit),
    }


def _beside_usual(values: dict[str, Tensor], usual: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}_over_usual": value - usual[name] for name, value in values.items()}


def in_context(values: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Median over a frame and its neighbours on either side, fewer at the ends; (T, ...) -> the same; nan left out.

    >>> in_context(torch.tensor([0.0, 9.0, 0.0, 0.0, 5.0]))
    tensor([0., 0., 0., 0., 0.])
    """
    shape = (neighbours, *values.shape[1:])
    edge = values.new_full(shape, torch.nan)
    padded = torch.cat([edge, values, edge])
    shifted = torch.stack([padded[step : step + len(values)] for step in range(2 * neighbours + 1)])
    return shifted.nanmedian(0).values


def _falls(evidence: Evidence, usual: Evidence) -> dict[str, Tensor]:
    """The regions' losses of correlation, the three greatest, and their gains of doubt and misfit: whole and worst."""
    loss = (usual.region_correlation - evidence.region_correlation).double().nan_to_num(0.0)
    ordered = torch.nn.functional.pad(loss, [0, max(0, 3 - loss.shape[1])]).sort(dim=1, descending=True).values
    found = {f"loss_{rank}": ordered[:, rank] for rank in range(3)}
    for name in ("doubt", "misfit"):
        field = f"region_{name}"
        gain = _logarithm(getattr(evidence, field)) - _logarithm(getattr(usual, field))
        found |= {f"mean_{name}_gain": gain.nanmean(1), f"worst_{name}_gain": _extreme(gain, largest=True)}
    return found


def _motion(evidence: Evidence, usual: Evidence) -> dict[str, Tensor]:
    """How far expression and place are from what is usual in the clip, and from the frames around."""
    latent, place = evidence.latent.double(), evidence.place.double()
    size = max(1, latent.shape[1]) ** 0.5
    step = torch.cat([latent[:1] * 0.0, latent.diff(dim=0)]).norm(dim=1) / size
    step = torch.minimum(step, torch.cat([step[1:], step[-1:]]))  # a cut is a step for one frame alone
    return {
        "from_usual": _logarithm((latent - usual.latent.double()).norm(dim=1) / size),
        "depth_from_usual": (place - usual.place.double())[:, 2].abs(),
        "step": _logarithm(step),
        "latent_jump": _logarithm((latent - in_context(latent, 5)).norm(dim=1) / size),
        "place_jump": _logarithm((place - in_context(place, 5)).norm(dim=1)),
    }


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
    features = values | relative | context | _falls(evidence, usual) | _motion(evidence, usual)
    return torch.stack(list(features.values()), dim=1).numpy(), tuple(features)


def region_features(evidence: Evidence, usual: Evidence) -> tuple[Numbers, tuple[str, ...]]:
    """(T, R, G) features of T frames' R regions, the frame's own among them, and their names."""
    values = _each(evidence)
    relative = _beside_usual(values, _each(usual))
    in_time = ("residual", "doubt", "misfit")
    context = {f"{name}_in_time": in_context(relative[f"{name}_over_usual"]) for name in in_time}
    whole = _whole(evidence)
    whole |= _beside_usual(whole, _whole(usual)) | _motion(evidence, usual)
    regions = evidence.region_residual.shape[1]
    shared = {
        f"frame_{name}": value[:, None].expand(-1, regions)
        for name, value in whole.items()
        if not name.startswith(("worst", "least"))
    }
    features = values | relative | context | shared
    return torch.stack(list(features.values()), dim=2).numpy(), tuple(features)
