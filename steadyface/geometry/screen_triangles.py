"""Triangles on the screen: their planes and boxes, and the spans of pixels that each covers.

A barycentric times the inverse depth is affine over the screen. So along one row of pixels a
triangle covers one interval, whose ends three divisions find: the rasteriser lists the pixels
that lie inside, and never meets those of the box that do not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.cameras import NEAREST_DEPTH_MM, project

SMALLEST_AREA_PX = 1e-12
"""Twice the area of the smallest triangle that is drawn, in square pixels: less is seen edge-on."""

EDGE_TOLERANCE = 1e-12
"""In 1/mm (a billionth of a barycentric at 1 m): keeps shared edges watertight against rounding."""

BOX_SLACK_PX = 1e-9
"""A pixel centre this near to a triangle's box is tested too, or rounding would settle ties."""

SPAN_SLACK_PX = 1e-6
"""A pixel centre this near to a span's computed end is tested by its barycentrics, for the same reason."""

_LEVEL = 1e-290  # stands for a slope of 0: a division by it sends the end of a span out of the picture


class ScreenTriangles(NamedTuple):
    """Projected triangles of a whole batch in one list of T, with their pixel boxes.

    ``planes[i, k]``: the k-th barycentric times the inverse depth is
    ``planes[0, k] x + planes[1, k] y + planes[2, k]``; x and y count from the box's first pixel.
    """

    planes: Tensor  # (3 coefficients, 3 corners, T) float64, 1/mm
    first_pixel: Tensor  # (T,) long, the box's first pixel in the flattened (B, H, W)
    width: Tensor  # (T,) long
    height: Tensor  # (T,) long; 0 = cannot be seen

    def weights(self, index: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
        """The three barycentrics, each times the inverse depth, at pixels of the listed triangles' boxes.

        Shapes: index, x, y (n,) -> three of (n,), negative outside the triangle.
        """
        weights = []
        for corner in range(3):
            a, b, c = (coefficient[corner].index_select(0, index) for coefficient in self.planes)
            weights.append(c.addcmul_(a, x).addcmul_(b, y))
        return weights


class Spans(NamedTuple):
    """Intervals of pixels, each on one row of one triangle. Shapes (S,); all but ``triangle`` are float64.

    ``x`` and ``y`` are the first pixel's, from the first pixel of the triangle's box; ``length`` may be 0.
    ``inverse_depth`` is the first pixel's, in 1/mm, and ``step`` what it gains a pixel.
    """

    triangle: Tensor
    x: Tensor
    y: Tensor
    length: Tensor
    inverse_depth: Tensor
    step: Tensor


def project_triangles(
    vertices_camera: Tensor, faces: Tensor, intrinsics: Tensor, height: int, width: int
) -> ScreenTriangles:
    """Project, and box each triangle; an unseeable one gets an empty box.

    In float64: there are few triangles beside the pixels, and the small differences of large
    coordinates that make up a sliver's planes would lose their digits in float32.

    Shapes: vertices_camera (B, N, 3) mm, faces (F, 3) long, intrinsics (B, 3, 3) -> T = B F triangles.
    """
    batch, count, _ = vertices_camera.shape
    image = torch.arange(batch, device=faces.device).unsqueeze(1)
    corner = (faces.t().unsqueeze(1) + image * count).flatten()  # corners, images, faces
    vertices_camera = vertices_camera.double()
    pixels = project(vertices_camera, intrinsics.double())
    x, y, depth = (
        values.flatten().index_select(0, corner).view(3, -1)
        for values in (pixels[..., 0], pixels[..., 1], vertices_camera[..., 2])
    )
    left, columns = _pixel_range(x, width)
    top, rows = _pixel_range(y, height)
    x, y = x - left, y - top
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    near = depth.amin(0) <= NEAREST_DEPTH_MM
    broken = ~torch.isfinite(area + depth.amax(0))
    unseen = near | broken | (area.abs() < SMALLEST_AREA_PX)
    (next_x, next_y), (last_x, last_y) = ((x.roll(shift, 0), y.roll(shift, 0)) for shift in (-1, 1))
    slopes = (next_y - last_y).masked_fill_(next_y == last_y, _LEVEL)
    planes = torch.stack([slopes, last_x - next_x, next_x * last_y - last_x * next_y]).div_(area * depth)
    first_row = (image * height).expand(-1, len(faces)).flatten() + top.long()
    rows = rows.masked_fill(unseen, 0)
    return ScreenTriangles(planes, first_row * width + left.long(), columns.long(), rows.long())


def _pixel_range(corners: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First pixel and number of pixels between the corners (3, T) along one axis of the image."""
    one, two, three = corners
    first = (torch.minimum(torch.minimum(one, two), three) - BOX_SLACK_PX).ceil_().clamp_(min=0)
    last = (torch.maximum(torch.maximum(one, two), three) + BOX_SLACK_PX).floor_().clamp_(max=size - 1)
    return first, (last - first + 1).clamp_(min=0)


def list_spans(triangles: ScreenTriangles, index: Tensor) -> Spans:
    """The pixels inside the listed triangles, row by row: a pixel is inside where no barycentric
    times the inverse depth is below -EDGE_TOLERANCE.

    Shapes: index (n,) long -> S spans, ordered by triangle.
    """
    rows = triangles.height.index_select(0, index)
    owner = torch.repeat_interleave(rows)
    triangle = index.index_select(0, owner)
    y = (torch.arange(len(owner), device=index.device) - (rows.cumsum(0) - rows).index_select(0, owner)).double()
    first = torch.zeros_like(y)
    last = triangles.width.index_select(0, triangle).double() - 1.0
    lines = []  # along the row, a weight is slope * x + level
    for corner in range(3):
        slope, b, c = (coefficient[corner].index_select(0, triangle) for coefficient in triangles.planes)
        level = c.addcmul_(b, y)
        lines.append((slope, level))
        end, away = (level + EDGE_TOLERANCE).div_(slope).neg_(), slope * torch.inf
        first = torch.maximum(first, torch.minimum(end, away))  # where the weight falls, away is -inf
        last = torch.minimum(last, torch.maximum(end, away))
    first, last = first.sub_(SPAN_SLACK_PX).ceil_(), last.add_(SPAN_SLACK_PX).floor_()
    last -= _outside(*(torch.addcmul(level, slope, last) for slope, level in lines))
    one, two, three = (torch.addcmul(level, slope, first) for slope, level in lines)
    passed_over = _outside(one, two, three)
    step = lines[0][0] + lines[1][0] + lines[2][0]
    inverse_depth = (one + two + three).addcmul_(passed_over, step)
    first += passed_over
    return Spans(triangle, first, y, (last - first + 1.0).clamp_(min=0), inverse_depth, step)


def _outside(one: Tensor, two: Tensor, three: Tensor) -> Tensor:
    """1.0 where one of the weights says that a pixel lies outside its triangle, else 0.0."""
    return (torch.minimum(torch.minimum(one, two), three) < -EDGE_TOLERANCE).double()
