"""How far mouth and eyes are open: on a mesh, and by a landmark detector whose measure is scaled in the lab.

A blink moves few pixels of a small picture. An encoder may not see it where a detector does, in a measure of its own
(docs/expression.md). What an opening of that measure is in mm on this person's face is learned from the lab's views,
whose meshes are known.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.losses.apertures import Openings, mesh_openings
from steadyface.types import SubjectStatistics

OPENINGS = ("lips", "lids_right", "lids_left")
"""The openings, always in this order; right and left are the subject's own."""

MEDIAPIPE_PAIRS = (
    ((13, 14), (82, 87), (312, 317)), ((159, 145), (160, 144), (158, 153)), ((386, 374), (385, 380), (387, 373)),
)  # fmt: skip
"""Of each opening, landmarks of FaceMesh on its upper and lower edge: inner lips, lids."""

OUTER_CORNERS = (33, 263)
"""FaceMesh's outer corners of the eyes: their distance is the detector's unit."""

FEWEST_VIEWS = 20
"""Views of the lab in which the detector must find a face before its measure is trusted."""

_PAIRS, _APART_MM, _MIDDLE_MM = 6, 2.5, 8.0  # an opening; side by side; of the mouth
_LEAST_DEVIATION_MM = 0.1  # an opening that the lab hardly saw change says little
_TOGETHER = 2000  # pairs whose distances are taken at once


class OpeningScale(NamedTuple):
    """slope and offset (K,): mm = slope * detected + offset; trust (K,), 0 to 1: squared correlation in the lab;
    deviation (K,) mm, of the openings in the lab."""

    slope: Tensor
    offset: Tensor
    trust: Tensor
    deviation: Tensor


class ClipOpenings(NamedTuple):
    """What a detector says of clips: pairs (K, P, 2) long; scale; detected, (F, K) in its measure for each clip, nan
    where it found no face."""

    pairs: Tensor
    scale: OpeningScale
    detected: tuple[Tensor, ...]

    def of(self, keys: Tensor) -> Openings:
        """The openings of frames that are named by keys (B, 2), clip and frame, on the keys' device."""
        detected = torch.stack([self.detected[clip][frame] for clip, frame in keys.tolist()])
        target = detected * self.scale.slope + self.scale.offset
        weight = self.scale.trust / self.scale.deviation.clamp(min=_LEAST_DEVIATION_MM)
        return Openings(self.pairs.to(keys.device), target.to(keys.device), weight.to(keys.device))


def opening_pairs(statistics: SubjectStatistics, meshes: Tensor) -> Tensor:
    """The vertices that part when an opening opens: of those nearly one above the other, whose distance varies most.

    Args:
        statistics: with the regions ``lips`` and ``lids``.
        meshes: (F, N, 3) mm, of the lab, canonical.

    Returns:
        (K, P, 2) long, in the order of `OPENINGS`.

    Raises:
        InputError: a region is missing, or has no such pair.
    """
    return torch.stack([_most_varying(meshes, _candidates(statistics, name), name) for name in OPENINGS])


def _candidates(statistics: SubjectStatistics, name: str) -> Tensor:
    """(M, 2) pairs of vertices of an opening that lie nearly one above the other."""
    region = name.split("_")[0]
    index = statistics.regions.get(region, torch.empty(0, dtype=torch.long))
    across = statistics.vertex_mean[index, 0]
    chosen = {
        "lips": across.abs() < _MIDDLE_MM, "lids_right": across < 0, "lids_left": across > 0,
    }[name]  # fmt: skip
    index, across = index[chosen], across[chosen]
    first, second = torch.triu_indices(len(index), len(index), 1)
    near = (across[first] - across[second]).abs() < _APART_MM
    return torch.stack([index[first[near]], index[second[near]]], dim=1)


def _most_varying(meshes: Tensor, pairs: Tensor, name: str) -> Tensor:
    if len(pairs) < _PAIRS:
        expected = f"vertices on both edges of the {name.replace('_', ', ')}"
        remedy = "name the regions lips and lids in the capture's regions.json, or set adaptation.weights.apertures=0"
        raise InputError("regions", expected, f"{len(pairs)} pairs of them", remedy)
    spread = torch.cat([mesh_openings(meshes, part[:, None]).std(0) for part in pairs.split(_TOGETHER)])
    return pairs[spread.argsort(descending=True, stable=True)[:_PAIRS]]


def landmark_openings(landmarks: Tensor) -> Tensor:
    """Openings in units of the distance between the outer corners of the eyes.

    Args:
        landmarks: (B, 478, 3) of FaceMesh, any unit; nan without a face.

    Returns:
        (B, K).
    """
    unit = (landmarks[:, OUTER_CORNERS[0]] - landmarks[:, OUTER_CORNERS[1]]).norm(dim=-1, keepdim=True)
    pairs = torch.tensor(MEDIAPIPE_PAIRS, device=landmarks.device)
    return mesh_openings(landmarks, pairs) / unit


def fit_scale(detected: Tensor, true: Tensor, deviation: Tensor, rounds: int = 10) -> OpeningScale:
    """The straight line from a detector's openings to the true ones, by least absolute deviations.

    Args:
        detected: (V, K) in views of the lab, nan without a face.
        true: (V, K) mm.
        deviation: (K,) mm, of the openings over the lab.

    Raises:
        InputError: the detector found a face in fewer than `FEWEST_VIEWS` views.
    """
    seen = torch.isfinite(detected).all(1)
    if int(seen.sum()) < FEWEST_VIEWS:
        expected = f"frontal views of the lab with a face that MediaPipe finds, at least {FEWEST_VIEWS}"
        raise InputError("adaptation.weights.apertures", expected, str(int(seen.sum())), "set it to 0")
    detected, true = detected[seen].double(), true[seen].double()
    lines = [_fit_line(x, y, rounds) for x, y in zip(detected.t(), true.t(), strict=True)]
    slope, offset = torch.stack(lines).float().unbind(1)
    trust = torch.stack([_correlation(x, y) for x, y in zip(detected.t(), true.t(), strict=True)])
    return OpeningScale(slope, offset, trust.clamp(min=0.0).square().float(), deviation)


def _fit_line(x: Tensor, y: Tensor, rounds: int) -> Tensor:
    """Slope and offset (2,), by least squares that are weighted anew until they are least absolute deviations."""
    design = torch.stack([x, torch.ones_like(x)], dim=1)
    weight = torch.ones_like(x)
    for _ in range(rounds):
        line: Tensor = torch.linalg.lstsq(design * weight[:, None], (y * weight)[:, None], driver="gelsd").solution
        away = (design @ line[:, 0] - y).abs()
        weight = away.clamp(min=0.3 * float(away.median()) + 1e-6).rsqrt()
    return line[:, 0]


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Of two series; 0 where one of them stands still."""
    return torch.nan_to_num(torch.corrcoef(torch.stack([x, y]))[0, 1])

