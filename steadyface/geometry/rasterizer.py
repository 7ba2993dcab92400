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

FRAGMENTS_A_CHUNK = 2_000_000
"""Fragments listed at once: bounds the memory to about 200 MB whatever the mesh and the image."""

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
    """Projected triangles of the whole batch in one list, with their pixel boxes."""

    corners: Tensor  # (T, 3, 2) pixels
    inverse_depth: Tensor  # (T, 3)
    left: Tensor  # (T,) long, first pixel column
    top: Tensor  # (T,) long
    width: Tensor  # (T,) long, 0 = cannot be seen
    height: Tensor  # (T,) long


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
        _scatter(keys, triangles, seen[start:stop], counts[seen[start:stop]], face_count, height, width)
        start = stop
    return _gather(keys, triangles, batch, face_count, height, width)


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
    """Project, and box each triangle; an unseeable one gets an empty box."""
    pixels = project(vertices_camera, intrinsics)
    corners = pixels[:, faces].flatten(0, 1)
    depth = vertices_camera[..., 2][:, faces].flatten(0, 1)
    limit = corners.new_tensor([width, height])
    low = corners.amin(1).ceil().clamp(min=0).minimum(limit)
    high = corners.amax(1).floor().clamp(min=-1).minimum(limit - 1)
    extent = (high - low + 1).clamp(min=0)
    near = depth.amin(1) <= NEAREST_DEPTH_MM
    broken = ~torch.isfinite(corners).all(-1).all(-1)
    unseen = (near | broken | (_area(corners).abs() < 1e-12)).unsqueeze(1)
    extent = extent.masked_fill(unseen, 0).long()
    low = low.masked_fill(unseen, 0).long()
    return _Triangles(
        corners, 1.0 / depth.clamp(min=NEAREST_DEPTH_MM), low[:, 0], low[:, 1], extent[:, 0], extent[:, 1]
    )


def _area(corners: Tensor) -> Tensor:
    """Twice the signed area of 2-D triangles: (..., 3, 2) -> (...)."""
    first, second = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _edge_functions(triangles: _Triangles, index: Tensor) -> Tensor:
    """Coefficients (a, b, c) of the screen barycentrics, a x + b y + c, of each listed triangle.

    x and y count from the box's first pixel: coordinates stay small, so float32 does not cancel.
    Shape: index (n,) -> (n, 3 corners, 3 coefficients).
    """
    corners = triangles.corners[index]
    origin = torch.stack([triangles.left[index], triangles.top[index]], dim=-1)
    local = corners - origin.unsqueeze(1).to(corners.dtype)
    following, opposite = local.roll(-1, dims=1), local.roll(-2, dims=1)
    a = following[..., 1] - opposite[..., 1]
    b = opposite[..., 0] - following[..., 0]
    c = following[..., 0] * opposite[..., 1] - opposite[..., 0] * following[..., 1]
    return torch.stack([a, b, c], dim=-1) / _area(local).view(-1, 1, 1)


def _planes(triangles: _Triangles, index: Tensor) -> Tensor:
    """What is affine over the screen in each listed triangle: two barycentrics and the inverse depth.

    Shape: index (n,) -> (9, n): coefficients of x, y and 1 of the three quantities.
    """
    edges = _edge_functions(triangles, index)
    inverse_depth = (edges * triangles.inverse_depth[index].unsqueeze(-1)).sum(1)
    return torch.cat([edges[:, 0], edges[:, 1], inverse_depth], dim=-1).t().contiguous()


def _scatter(
    keys: Tensor, triangles: _Triangles, index: Tensor, counts: Tensor, face_count: int, height: int, width: int
) -> None:
    """Write the keys of one chunk of triangles into the picture, the nearest on top."""
    owner = torch.repeat_interleave(torch.arange(len(index), device=index.device), counts)
    first = (counts.cumsum(0) - counts).index_select(0, owner)
    position = torch.arange(len(owner), device=index.device) - first
    box_width = triangles.width[index].index_select(0, owner)
    row = torch.div(position, box_width, rounding_mode="floor")
    column = position - row * box_width
    planes = _planes(triangles, index)
    x, y = column.to(planes.dtype), row.to(planes.dtype)

    def affine(first_row: int, chosen: Tensor, at_x: Tensor, at_y: Tensor) -> Tensor:
        a, b, c = (planes[first_row + k].index_select(0, chosen) for k in range(3))
        return torch.addcmul(torch.addcmul(c, a, at_x), b, at_y)

    one, two = affine(0, owner, x, y), affine(3, owner, x, y)
    # a hair of tolerance on the implied third keeps shared edges watertight
    inside = torch.nonzero((one >= 0) & (two >= 0) & (one + two <= 1 + 1e-6)).squeeze(1)
    owner, column, row = owner[inside], column[inside], row[inside]
    inverse_depth = affine(6, owner, x[inside], y[inside]).float().clamp(min=0)
    triangle = index[owner]
    image = torch.div(triangle, face_count, rounding_mode="floor")
    pixel = (image * height + triangles.top[triangle] + row) * width + triangles.left[triangle] + column
    order = inverse_depth.view(torch.int32).long() << 31
    key = order | (_LARGEST_INDEX - (triangle - image * face_count))
    keys.scatter_reduce_(0, pixel, key, reduce="amax")


def _gather(
    keys: Tensor, triangles: _Triangles, batch: int, face_count: int, height: int, width: int
) -> Fragments:
    """Turn the winning keys into triangles, barycentrics and depth."""
    dtype, device = triangles.corners.dtype, keys.device
    covered = torch.nonzero(keys >= 0).squeeze(1)
    triangle = _LARGEST_INDEX - (keys[covered] & _LARGEST_INDEX)
    listed = triangle + torch.div(covered, height * width, rounding_mode="floor") * face_count
    x = (covered % width - triangles.left[listed]).to(dtype)
    y = (torch.div(covered, width, rounding_mode="floor") % height - triangles.top[listed]).to(dtype)
    planes = _edge_functions(triangles, listed)
    screen = planes[..., 0] * x.unsqueeze(1) + planes[..., 1] * y.unsqueeze(1) + planes[..., 2]
    weighted = screen.clamp(min=0) * triangles.inverse_depth[listed]
    total = weighted.sum(-1, keepdim=True)
    out_triangle = torch.full_like(keys, -1)
    out_triangle[covered] = triangle
    barycentric = torch.zeros(len(keys), 3, dtype=dtype, device=device)
    barycentric[covered] = weighted / total
    depth = torch.zeros(len(keys), dtype=dtype, device=device)
    depth[covered] = 1.0 / total.squeeze(-1)
    shape = (batch, height, width)
    return Fragments(out_triangle.view(shape), barycentric.view(*shape, 3), depth.view(shape))
