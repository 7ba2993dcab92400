"""The spans of pixels inside triangles against the test of every pixel of their boxes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from steadyface.geometry.screen_triangles import EDGE_TOLERANCE, ScreenTriangles, list_spans, project_triangles

SIZE = 24
K = torch.tensor([[[20.0, 0.3, 11.0], [0.0, 20.0, 11.5], [0.0, 0.0, 1.0]]], dtype=torch.float64)


def corners_at(pixels: Tensor, depth: Tensor) -> Tensor:
    """Vertices (1, N, 3) that project to ``pixels`` (N, 2)."""
    rays = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1) @ torch.linalg.inv(K[0]).T
    return (rays * depth[:, None])[None]


def draw(kind: str) -> ScreenTriangles:
    """Triangles of one kind, many of them partly out of the picture."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(300, 3, 2, generator=generator, dtype=torch.float64) * (SIZE + 8) - 4
    if kind == "on pixel centres":
        pixels = pixels.round()  # edges along rows, along columns, and through pixels
    elif kind == "slivers":
        share = torch.rand(300, 1, generator=generator, dtype=torch.float64)
        bend = 10.0 ** -torch.randint(1, 10, (300, 1), generator=generator).double()
        pixels[:, 2] = torch.lerp(pixels[:, 0], pixels[:, 1], share) + bend
    elif kind == "small":
        pixels = pixels[:, :1] + torch.rand(300, 3, 2, generator=generator, dtype=torch.float64) * 1.5
    depth = 300.0 + 400.0 * torch.rand(900, generator=generator, dtype=torch.float64)
    faces = torch.arange(900).view(-1, 3)
    return project_triangles(corners_at(pixels.view(-1, 2), depth), faces, K, SIZE, SIZE)


@pytest.mark.parametrize("kind", ["any", "on pixel centres", "slivers", "small"])
def test_the_pixels_of_spans_are_those_inside(kind: str) -> None:
    triangles = draw(kind)
    index = torch.nonzero(triangles.width * triangles.height).flatten()
    spans = list_spans(triangles, index)
    found: dict[tuple[int, int, int], float] = {}
    for triangle, x, y, length, inverse_depth, step in zip(*(part.tolist() for part in spans), strict=True):
        for pixel in range(int(length)):
            found[triangle, int(x) + pixel, int(y)] = inverse_depth + pixel * step
    expected = {}
    for triangle in index.tolist():
        box = [(x, y) for y in range(triangles.height[triangle]) for x in range(triangles.width[triangle])]
        x, y = torch.tensor(box, dtype=torch.float64).unbind(1)
        weights = torch.stack(triangles.weights(torch.full((len(box),), triangle), x, y))
        for at in torch.nonzero(weights.amin(0) >= -EDGE_TOLERANCE).flatten().tolist():
            expected[triangle, *box[at]] = float(weights[:, at].sum())
    assert len(expected) > 20
    assert set(found) == set(expected)
    assert max(abs(found[key] - expected[key]) for key in expected) < 1e-12
