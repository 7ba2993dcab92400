"""Vertex normals of a triangle mesh."""

from __future__ import annotations

import torch
from torch import Tensor


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals, each the area-weighted mean over the triangles that meet in the vertex.

    They point to the side from which a triangle's corners are seen to run counter-clockwise (the
    right-hand rule), the outside of a mesh in the usual order. Rigid motions keep it, so it holds
    in a camera frame with OpenCV axes too: x right, y down, z forward is right-handed.
    A vertex without a triangle, or with triangles of no area only, has the normal 0.

    Shapes: vertices (B, N, 3), faces (F, 3) long -> (B, N, 3).
    """
    batch, count, _ = vertices.shape
    corner = faces.t().flatten()
    place = torch.arange(batch, device=faces.device).unsqueeze(1) * count + corner  # of vertices in the batch
    x, y, z = (values.index_select(1, corner).view(batch, 3, -1) for values in vertices.unbind(-1))
    (x1, x2), (y1, y2), (z1, z2) = ((v[:, 1] - v[:, 0], v[:, 2] - v[:, 0]) for v in (x, y, z))
    # axis by axis: lists of numbers add up tens of times faster than lists of short vectors
    sums = [
        vertices.new_zeros(batch * count).index_add(0, place.flatten(), area.repeat(1, 3).flatten())
        for area in (y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2)
    ]
    return torch.nn.functional.normalize(torch.stack(sums, dim=-1).view_as(vertices), dim=-1)
