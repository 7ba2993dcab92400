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
    corners = vertices[:, faces]
    first, second = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    area_normals = torch.linalg.cross(first, second)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(1, faces[:, corner], area_normals)
    return torch.nn.functional.normalize(total, dim=-1)
