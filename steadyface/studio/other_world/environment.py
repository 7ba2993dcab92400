"""The light that arrives at one point from everywhere: a picture of all directions, and what is read off it.

Directions are laid out by latitude and longitude: row 0 looks up (-y), the middle column forwards (+z).
Source of the division into lights: P. Debevec, A Median Cut Algorithm for Light Probe Sampling (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])
ROWS = 64
_FLAT_SHARE = 0.6  # of what a region is cut by that counts solid angle: dark parts get directions, too

Radiance = Callable[[Tensor, Tensor], Tensor]


class Lights(NamedTuple):
    """Directions that stand for an environment, D of them.

    Shapes: direction (D, 3) unit; energy (D, 3) radiance times solid angle; solid_angle (D,) sr, 4 pi in all.
    """

    direction: Tensor
    energy: Tensor
    solid_angle: Tensor


def directions(rows: int) -> Tensor:
    """(rows, 2 rows, 3) unit, of the middle of each cell."""
    polar = (torch.arange(rows) + 0.5) * math.pi / rows
    around = (torch.arange(2 * rows) + 0.5) * math.pi / rows - math.pi
    across, up = polar.sin()[:, None], polar.cos()[:, None].expand(rows, 2 * rows)
    return torch.stack([across * around.sin(), -up, across * around.cos()], dim=-1)


def solid_angles(rows: int) -> Tensor:
    """(rows, 2 rows) sr of each cell, 4 pi in all."""
    edges = (torch.arange(rows + 1) * math.pi / rows).cos()
    return ((edges[:-1] - edges[1:]) * math.pi / rows)[:, None].expand(rows, 2 * rows)


def picture_from(radiance: Radiance, place: Tensor, rows: int = ROWS, finer: int = 4) -> Tensor:
    """What arrives at ``place`` (3,) mm: (rows, 2 rows, 3), the mean of finer x finer rays a cell."""
    fine = directions(rows * finer)
    seen = radiance(place, fine.reshape(-1, 3)).view(rows, finer, 2 * rows, finer, 3)
    return seen.mean((1, 3))


def cut_lights(picture: Tensor, count: int) -> Lights:
    """Divide an environment into about ``count`` regions of the same weight (the next power of two or fewer).

    A region's weight is its energy, and its solid angle for a share, so that what the head shades is felt even where
    it is dark. Its light comes from its middle by energy.
    """
    rows = len(picture)
    angle = solid_angles(rows)
    luminance = (picture @ LUMINANCE) * angle
    weight = luminance / luminance.sum().clamp(min=1e-12) + _FLAT_SHARE * angle / angle.sum()
    regions = [(0, rows, 0, 2 * rows)]
    while len(regions) < count:
        heavy = max(regions, key=lambda r: float(weight[r[0] : r[1], r[2] : r[3]].sum()) * (_cells(r) > 1))
        if _cells(heavy) <= 1:
            break
        regions.remove(heavy)
        regions += _halves(heavy, weight)
    where = directions(rows)
    parts = []
    for top, bottom, left, right in regions:
        cell = (slice(top, bottom), slice(left, right))
        middle = (where[cell] * (luminance[cell] + 1e-9 * angle[cell])[..., None]).sum((0, 1))
        parts.append((middle, (picture[cell] * angle[cell][..., None]).sum((0, 1)), angle[cell].sum()))
    direction, energy, solid = (torch.stack(part) for part in zip(*parts, strict=True))
    return Lights(normalize(direction, dim=1), energy, solid)


def _cells(region: tuple[int, int, int, int]) -> int:
    return (region[1] - region[0]) * (region[3] - region[2])


def _halves(region: tuple[int, int, int, int], weight: Tensor) -> list[tuple[int, int, int, int]]:
    """A region cut across its longer side, as it is on the sphere, where both parts weigh the same."""
    top, bottom, left, right = region
    level = math.sin((top + bottom) * math.pi / (2 * len(weight)))
    inside = weight[top:bottom, left:right]
    if bottom - top > max((right - left) * level, 1) or right - left == 1:
        cut = top + _middle(inside.sum(1))
        return [(top, cut, left, right), (cut, bottom, left, right)]
    cut = left + _middle(inside.sum(0))
    return [(top, bottom, left, cut), (top, bottom, cut, right)]


def _middle(weights: Tensor) -> int:
    """Where to cut a row of cells so that both parts weigh about the same; neither is empty."""
    total = weights.cumsum(0)
    return min(max(int(torch.searchsorted(total, total[-1] / 2)) + 1, 1), len(weights) - 1)


class Mirror:
    """An environment as rough surfaces mirror it, blurred once for each roughness.

    Args:
        picture: (rows, 2 rows, 3); roughness: of each lobe, GGX's alpha.
    """

    def __init__(self, picture: Tensor, roughness: tuple[float, ...], rows: int = 32) -> None:
        while len(picture) > rows:
            picture = picture.view(len(picture) // 2, 2, len(picture), 2, 3).mean((1, 3))
        into = directions(rows).reshape(-1, 3)
        from_ = directions(len(picture)).reshape(-1, 3)
        weighted = solid_angles(len(picture)).reshape(-1, 1)
        cosine = (into @ from_.T).clamp(-1.0, 1.0)
        half = ((1.0 + cosine) / 2.0).sqrt()  # of the microfacet, where view and normal agree
        blurred = []
        for alpha in roughness:
            lobe = alpha**2 / (math.pi * (half.square() * (alpha**2 - 1.0) + 1.0).square()) * cosine.clamp(min=0.0)
            total = lobe @ weighted
            blurred.append(((lobe @ (weighted * picture.reshape(-1, 3))) / total).view(rows, 2 * rows, 3))
        wrapped = torch.cat([torch.stack(blurred), torch.stack(blurred)[:, :, :1]], dim=2)
        self._lobes = wrapped.permute(0, 3, 1, 2).contiguous()
        self._rows = rows

    def look_up(self, direction: Tensor) -> Tensor:
        """(L, P, 3): what each lobe mirrors from directions (P, 3) unit."""
        across = (torch.atan2(direction[:, 0], direction[:, 2]) + math.pi) / (2.0 * math.pi)  # 0..1
        down = torch.acos((-direction[:, 1]).clamp(-1.0, 1.0)) / math.pi
        columns = 2 * self._rows
        pixel_x = (across * columns - 0.5) % columns
        place = torch.stack([2.0 * (pixel_x + 0.5) / (columns + 1) - 1.0, 2.0 * down - 1.0], dim=1)
        grid = place.view(1, 1, -1, 2).expand(len(self._lobes), -1, -1, -1)
        return grid_sample(self._lobes, grid, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)
