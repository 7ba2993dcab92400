"""Vertex normals of a triangle mesh."""

from __future__ import annotations

import torch
from torch import Tensor


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals, each the area-weighted mean over the triangles that meet in the vertex.

    They point to the side from which a triangle's corners run clockwise in a camera with
    OpenCV axes (y down), which is the outside of a mesh whose corners run counter-clockwise
    when y points up.

    Shapes: vertices (B, N, 3), faces (F, 3) long -> (B, N, 3).
    """
    corners = vertices[:, faces]
    area_normals = torch.linalg.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(1, faces[:, corner], area_normals)
    return torch.nn.functional.normalize(total, dim=-1)
