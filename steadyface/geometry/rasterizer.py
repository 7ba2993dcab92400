"""The fragment rasteriser: which triangle each pixel sees, in plain PyTorch, on any device.

Instead of testing every pixel against every triangle, list the pixels of every triangle's
bounding box (the fragments), keep those inside, and let one scatter-max resolve depth: the key
of a fragment is its inverse depth in the high bits and its triangle in the low ones, so the
nearest wins, and among equals the triangle with the lowest index, always.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steadyface.geometry.cameras import NEAREST_DEPTH_MM, project

FRAGMENTS_A_CHUNK = 1_000_000
"""Fragments listed at once: bounds the memory to about 200 MB whatever the mesh and the image."""

SMALLEST_AREA_PX = 1e-12
"""Twice the area of the smallest triangle that is drawn, in square pixels: less is seen edge-on."""

EDGE_TOLERANCE = 1e-12
"""In 1/mm (a billionth of a barycentric at 1 m): keeps shared edges watertight against rounding."""

BOX_SLACK_PX = 1e-9
"""A pixel centre this near to a triangle's box is tested too, or rounding would settle ties."""

_LARGEST_INDEX = 2**31 - 1


class Fragments(NamedTuple):
    """What B images of H x W pixels see.

    Shapes: triangle (B, H, W) long, -1 = nothing; barycentric (B, H, W, 3), perspective-correct;
    depth (B, H, W) along z in mm. Barycentrics and depth are 0 where nothing is seen.
    """

    triangle: Tensor
    barycentric: Tensor
    depth: Tensor


class _Triangles(NamedTuple):
    """Projected triangles of the whole batch in one list of T, with their pixel boxes.

    ``planes[i, k]``: the k-th barycentric times the inverse depth is affine over the screen,
    ``planes[0, k] x + planes[1, k] y + planes[2, k]``; x and y count from the box's first pixel.
    """

    planes: Tensor  # (3 coefficients, 3 corners, T) float64, 1/mm
    first_pixel: Tensor  # (T,) long, the box's first pixel in the flattened (B, H, W)
    width: Tensor  # (T,) long
    height: Tensor  # (T,) long; 0 = cannot be seen


@torch.no_grad()
def rasterize(
    vertices_camera: Tensor, faces: Tensor, intrinsics: Tensor, height: int, width: int
) -> Fragments:
    """Find the nearest triangle under each pixel centre; both sides of a triangle count.

    Not differentiable: visibility is a fixed fact to every loss. Triangles with a corner nearer
    than 1 mm, and those seen edge-on, are left out.

    Args:
        vertices_camera: (B, N, 3) camera frame, mm.
        faces: (F, 3) long.
        intrinsics: (B, 3, 3) of the image at hand.
        height, width: of the image, in pixels.

    Raises:
        ValueError: a shape is not as above.
    """
    _check_shapes(vertices_camera, faces, intrinsics)
    batch, face_count = vertices_camera.shape[0], faces.shape[0]
    triangles = _project_triangles(vertices_camera, faces, intrinsics, height, width)
    keys = torch.full((batch * height * width,), -1, dtype=torch.long, device=faces.device)
    counts = triangles.width * triangles.height
    seen = torch.nonzero(counts).squeeze(1)
    ends = counts[seen].cumsum(0)
    start = 0
    while start < len(seen):
        begin = int(ends[start - 1]) if start else 0
        stop = int(torch.searchsorted(ends, begin + FRAGMENTS_A_CHUNK, right=True))
        stop = max(stop, start + 1)
        _scatter(keys, triangles, seen[start:stop], face_count, width)
        start = stop
    return _gather(keys, triangles, (batch, height, width), face_count, vertices_camera.dtype)


def interpolate(fragments: Fragments, attributes: Tensor) -> Tensor:
    """Blend what the corners of each seen triangle carry; differentiable in the attributes.

    Shapes: attributes (F, 3, C), or (B, F, 3, C) -> (B, H, W, C), 0 where nothing is seen.
    """
    batch, face_count = fragments.triangle.shape[0], attributes.shape[-3]
    index = fragments.triangle.clamp(min=0)
    if attributes.dim() == 4:
        offset = torch.arange(batch, device=index.device).view(-1, 1, 1) * face_count
        index, attributes = index + offset, attributes.flatten(0, 1)
    corners = attributes[index]
    return (corners * fragments.barycentric.to(corners.dtype).unsqueeze(-1)).sum(-2)


def _check_shapes(vertices_camera: Tensor, faces: Tensor, intrinsics: Tensor) -> None:
    if vertices_camera.dim() != 3 or vertices_camera.shape[-1] != 3:
        raise ValueError(f"vertices_camera must be (B, N, 3), got {tuple(vertices_camera.shape)}")
    if faces.dim() != 2 or faces.shape[-1] != 3:
        raise ValueError(f"faces must be (F, 3), got {tuple(faces.shape)}")
    if intrinsics.shape != (vertices_camera.shape[0], 3, 3):
        raise ValueError(f"intrinsics must be (B, 3, 3), got {tuple(intrinsics.shape)}")


def _project_triangles(
    vertices_camera: Tensor, faces: Tensor, intrinsics: Tensor, height: int, width: int
) -> _Triangles:
    """Project, and box each triangle; an unseeable one gets an empty box.

    In float64: there are few triangles beside the fragments, and the small differences of large
    coordinates that make up a sliver's planes would lose their digits in float32.
    """
    batch, corner = vertices_camera.shape[0], faces.t().flatten()

    def at_corners(values: Tensor) -> Tensor:
        picked = values.index_select(1, corner).view(batch, 3, -1)
        return picked.transpose(0, 1).reshape(3, -1)

    vertices_camera = vertices_camera.double()
    pixels = project(vertices_camera, intrinsics.double())
    x, y, depth = at_corners(pixels[..., 0]), at_corners(pixels[..., 1]), at_corners(vertices_camera[..., 2])
    left, columns = _pixel_span(x, width)
    top, rows = _pixel_span(y, height)
    x, y = x - left, y - top
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    near = depth.amin(0) <= NEAREST_DEPTH_MM
    broken = ~torch.isfinite(area + depth.amax(0))
    unseen = near | broken | (area.abs() < SMALLEST_AREA_PX)
    (next_x, next_y), (last_x, last_y) = ((x.roll(shift, 0), y.roll(shift, 0)) for shift in (-1, 1))
    planes = torch.stack([next_y - last_y, last_x - next_x, next_x * last_y - last_x * next_y])
    image = torch.arange(batch, device=faces.device).repeat_interleave(len(faces))
    first_pixel = (image * height + top.long()) * width + left.long()
    rows = rows.masked_fill(unseen, 0)
    return _Triangles(planes / (area * depth), first_pixel, columns.long(), rows.long())


def _pixel_span(corners: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First pixel and number of pixels between the corners (3, T) along one axis of the image."""
    first = (corners.amin(0) - BOX_SLACK_PX).ceil().clamp(min=0)
    last = (corners.amax(0) + BOX_SLACK_PX).floor().clamp(max=size - 1)
    return first, (last - first + 1).clamp(min=0)


def _weights(triangles: _Triangles, index: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
    """The three barycentrics, each times the inverse depth, at pixels of the listed triangles' boxes.

    Shapes: index, x, y (n,) -> three of (n,), negative outside the triangle.
    """
    weights = []
    for corner in range(3):
        a, b, c = (coefficient[corner].index_select(0, index) for coefficient in triangles.planes)
        weights.append(c.addcmul_(a, x).addcmul_(b, y))
    return weights


def _scatter(keys: Tensor, triangles: _Triangles, index: Tensor, face_count: int, width: int) -> None:
    """Write the keys of one chunk of triangles into the picture, the nearest on top."""
    box_width = triangles.width.index_select(0, index)
    counts = box_width * triangles.height.index_select(0, index)
    owner = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    position = torch.arange(len(owner), device=index.device) - first.index_select(0, owner)
    columns = box_width.index_select(0, owner).double()
    # float64 divides several times faster than long; half a step keeps the floor exact
    y = ((position + 0.5) / columns).floor_()
    x = position - y * columns
    triangle = index.index_select(0, owner)
    one, two, three = _weights(triangles, triangle, x, y)
    inside = torch.nonzero(torch.minimum(torch.minimum(one, two), three) >= -EDGE_TOLERANCE).squeeze(1)
    inverse_depth, offset = (
        values.index_select(0, inside) for values in (one + two + three, y * width + x)
    )
    triangle = triangle.index_select(0, inside)
    pixel = triangles.first_pixel.index_select(0, triangle) + offset.long()
    order = inverse_depth.float().clamp_(min=0).view(torch.int32).long() << 31
    keys.scatter_reduce_(0, pixel, order | (_LARGEST_INDEX - triangle % face_count), reduce="amax")


def _gather(
    keys: Tensor, triangles: _Triangles, shape: tuple[int, int, int], face_count: int, dtype: torch.dtype
) -> Fragments:
    """Turn the winning keys into triangles, barycentrics and depth."""
    _, height, width = shape
    covered = torch.nonzero(keys >= 0).squeeze(1)
    triangle = _LARGEST_INDEX - (keys[covered] & _LARGEST_INDEX)
    listed = triangle + torch.div(covered, height * width, rounding_mode="floor") * face_count
    offset = covered - triangles.first_pixel[listed]
    row = torch.div(offset, width, rounding_mode="floor")
    weights = _weights(triangles, listed, (offset - row * width).double(), row.double())
    one, two, three = (weight.clamp_(min=0) for weight in weights)
    total = one + two + three
    share = torch.stack([one / total, two / total, three / total], dim=-1)
    out_triangle = torch.full_like(keys, -1).index_copy_(0, covered, triangle)
    barycentric = torch.zeros(len(keys), 3, dtype=dtype, device=keys.device)
    barycentric.index_copy_(0, covered, share.to(dtype))
    depth = torch.zeros(len(keys), dtype=dtype, device=keys.device)
    depth.index_copy_(0, covered, total.reciprocal().to(dtype))
    return Fragments(out_triangle.view(shape), barycentric.view(*shape, 3), depth.view(shape))
