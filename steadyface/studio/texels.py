"""Where on the neutral mesh the texels of a chart lie, gutter included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steadyface.studio.layout import Chart, Floats

GUTTER = 0.007
"""Half the gap between charts (texture fraction): painted too, so that filtering never meets a bare texel."""


@dataclass(frozen=True)
class ChartTexels:
    """The block of texels [top:bottom, left:right] of a texture that belongs to a chart.

    Shapes: row (h, 1) and column (1, w) are grid coordinates, held at the chart's edge in the gutter;
    points (h, w, 3) mm, of the vertices handed in.
    """

    top: int
    left: int
    row: Floats
    column: Floats
    points: Floats

    @classmethod
    def of(cls, chart: Chart, vertices: Floats, size: int) -> ChartTexels:
        """Texels of a ``size`` x ``size`` texture on the chart of a mesh with vertices (N, 3)."""
        u0, v0, u1, v1 = chart.box
        left, right = _texel_range(u0, u1, size)
        top, bottom = _texel_range(v0, v1, size)
        column = _grid_coordinate(np.arange(left, right), u0, u1, chart.uv_columns, size)
        row = _grid_coordinate(np.arange(top, bottom), v0, v1, chart.rows, size)
        grid = vertices[chart.index()]
        across = np.einsum("wc,rcd->rwd", _linear(column, chart.uv_columns), grid)
        points = np.einsum("hr,rwd->hwd", _linear(row, chart.rows), across)
        return cls(top, left, row[:, None], column[None, :], points)

    @property
    def block(self) -> tuple[slice, slice]:
        """Index of the block in a (size, size) texture."""
        height, width = self.points.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def _texel_range(low: float, high: float, size: int) -> tuple[int, int]:
    first = max(0, int(np.floor((low - GUTTER) * size)))
    return first, min(size, int(np.ceil((high + GUTTER) * size)))


def _grid_coordinate(texel: np.ndarray, low: float, high: float, count: int, size: int) -> Floats:
    fraction = ((texel + 0.5) / size - low) / (high - low)
    return np.clip(fraction, 0.0, 1.0) * (count - 1)


def _linear(coordinate: Floats, count: int) -> Floats:
    """(n, count) weights of linear interpolation at grid coordinates (n,)."""
    return np.clip(1.0 - np.abs(coordinate[:, None] - np.arange(count)), 0.0, None)
