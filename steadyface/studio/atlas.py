"""The subject's texture: charts painted once at full size, filtered down and kept for each size asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from steadyface.studio import layout, organ_skin, relief
from steadyface.studio.anatomy import Shape
from steadyface.studio.expressions import EXPRESSION_NAMES
from steadyface.studio.fields import bump
from steadyface.studio.layout import Floats
from steadyface.studio.palette import Noise, Palette
from steadyface.studio.skin import HeadPainter
from steadyface.studio.texels import ChartTexels
from steadyface.studio.wrinkles import TINT, wrinkle_drivers, wrinkle_maps

FULL_SIZE = 512
"""Texels a side at which the skin is painted; a third of a millimetre each on the face."""


class _Layers(NamedTuple):
    """Shapes: albedo (3, U, U); sheen (1, U, U); wrinkles (K, U, U)."""

    albedo: Tensor
    sheen: Tensor
    wrinkles: Tensor


class Atlas:
    """Albedo and sheen of one identity.

    Args:
        canonical: (N, 3) mm, the neutral mesh on which the landmarks lie.
        shape, palette: the identity.
        generator: draws noise and marks.
    """

    def __init__(self, canonical: Floats, shape: Shape, palette: Palette, generator: np.random.Generator) -> None:
        noise = Noise(generator)
        head = ChartTexels.of(layout.HEAD, canonical, FULL_SIZE)
        albedo = np.broadcast_to(palette.skin, (FULL_SIZE, FULL_SIZE, 3)).copy()
        albedo[head.block] = HeadPainter(head, shape, palette, noise, generator).paint()
        sheen = np.full((FULL_SIZE, FULL_SIZE), 0.35)
        sheen[head.block] = _head_sheen(head, palette)
        albedo[: head.top] = albedo[head.top]  # what the triangles of the crown's apex reach into
        for chart in layout.CHARTS[1:]:
            texels = ChartTexels.of(chart, canonical, FULL_SIZE)
            albedo[texels.block], sheen[texels.block] = _paint_organ(chart, texels, palette, noise)
        bare = 1.0 - relief.hair_coverage(head.points, palette.hairline_shift)
        maps = wrinkle_maps(head.points, noise) * bare.astype(np.float32)
        wrinkles = np.zeros((len(maps), FULL_SIZE, FULL_SIZE), dtype=np.float32)
        wrinkles[:, *head.block] = maps
        self._drivers = torch.from_numpy(wrinkle_drivers(EXPRESSION_NAMES)).float()
        self._tint = torch.from_numpy(TINT).float().view(1, 3, 1, 1)
        full = _Layers(
            torch.from_numpy(albedo).float().permute(2, 0, 1).contiguous(),
            torch.from_numpy(sheen).float()[None],
            torch.from_numpy(wrinkles),
        )
        self._sizes = {FULL_SIZE: full}

    def albedo(self, weights: Tensor, size: int) -> Tensor:
        """Linear RGB under expression weights (B, E) -> (B, 3, size, size)."""
        layers = self._at(size)
        drive = (weights @ self._drivers).clamp(max=1.5)
        folds = (drive @ layers.wrinkles.flatten(1)).view(-1, 1, size, size)
        return layers.albedo * (1.0 - self._tint * folds.clamp(-0.3, 1.2))

    def sheen(self, size: int) -> Tensor:
        """Strength of the specular sheen, (1, size, size) in [0, 1]."""
        return self._at(size).sheen

    def _at(self, size: int) -> _Layers:
        if size not in self._sizes:
            mode = "area" if size < FULL_SIZE else "bilinear"
            full = self._sizes[FULL_SIZE]
            self._sizes[size] = _Layers(*(interpolate(layer[None], (size, size), mode=mode)[0] for layer in full))
        return self._sizes[size]


def _paint_organ(chart: layout.Chart, texels: ChartTexels, palette: Palette, noise: Noise) -> tuple[Floats, float]:
    """Albedo (h, w, 3) of a chart beside the head's, and the strength of its sheen."""
    if chart in (layout.LEFT_EYE, layout.RIGHT_EYE):
        return organ_skin.paint_eyeball(texels, palette, noise), 1.0
    if chart is layout.MOUTH:
        return organ_skin.paint_cavity(texels, noise), 0.15
    return organ_skin.paint_ear(texels, palette, noise), 0.3


def _head_sheen(texels: ChartTexels, palette: Palette) -> Floats:
    """Oilier on forehead, nose and lips, dull in the hair: (h, w)."""
    points = texels.points
    oily = 0.28 * bump(points, (0, -58, -95), (48, 40, 50)) + 0.35 * bump(points, (0, 10, -112), (20, 40, 50))
    moist = 0.35 * bump(points, (0, 54, -108), (26, 11, 30))
    hair = relief.hair_coverage(points, palette.hairline_shift)
    return np.clip(0.38 + oily + moist, 0.0, 1.0) * (1.0 - 0.6 * hair)
