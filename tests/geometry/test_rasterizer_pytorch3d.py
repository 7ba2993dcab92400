"""The rasteriser against PyTorch3D's on posed heads, and both against exact ray intersections."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
from pytorch3d.structures import Meshes
from pytorch3d.utils import cameras_from_opencv_projection
from torch import Tensor

from steadyface.geometry.rasterizer import Fragments, rasterize

SIZE = 48


def rasterize_pytorch3d(heads: Any, size: int) -> tuple[Tensor, Tensor]:
    """Triangle (B, H, W) and barycentrics (B, H, W, 3). Pixel centres lie at half integers there."""
    vertices, faces, intrinsics = heads
    count = len(vertices)
    shifted = intrinsics.clone()
    shifted[:, :2, 2] += 0.5
    cameras = cameras_from_opencv_projection(
        torch.eye(3).expand(count, 3, 3), torch.zeros(count, 3), shifted, torch.full((count, 2), size)
    )
    settings = RasterizationSettings(
        image_size=size, faces_per_pixel=1, perspective_correct=True, clip_barycentric_coords=False
    )
    fragments = MeshRasterizer(cameras, settings)(Meshes([*vertices], [faces] * count))
    packed = fragments.pix_to_face[..., 0]
    offset = torch.arange(count).view(-1, 1, 1) * len(faces)
    return torch.where(packed >= 0, packed - offset, -1), fragments.bary_coords[..., 0, :]


def exact_barycentric(heads: Any, triangle: Tensor) -> Tensor:
    """Where each pixel's ray meets the plane of its triangle, in float64: (P, 3) of the covered pixels."""
    image, row, column = torch.nonzero(triangle >= 0, as_tuple=True)
    pixel = torch.stack([column, row, torch.ones_like(row)], dim=-1).double()
    ray = torch.linalg.solve(heads.intrinsics.double()[image], pixel)
    corners = heads.vertices.double()[image.unsqueeze(1), heads.faces[triangle[image, row, column]]]
    # corners^T w is along the ray, and the w sum to one
    weights = torch.linalg.solve(corners.transpose(1, 2), ray)
    return weights / weights.sum(-1, keepdim=True)


@pytest.fixture(scope="module")
def ours(twenty_heads: Any) -> Fragments:
    return rasterize(*twenty_heads, SIZE, SIZE)


@pytest.fixture(scope="module")
def theirs(twenty_heads: Any) -> tuple[Tensor, Tensor]:
    return rasterize_pytorch3d(twenty_heads, SIZE)


def test_sees_the_same_triangle_as_pytorch3d(ours: Fragments, theirs: tuple[Tensor, Tensor]) -> None:
    covered = (ours.triangle >= 0) | (theirs[0] >= 0)
    assert covered.double().mean() > 0.25
    share = (ours.triangle == theirs[0])[covered].double().mean().item()
    print(f"same triangle at {share:.4%} of {int(covered.sum())} covered pixels")
    assert share >= 0.999


def test_barycentrics_are_those_of_the_exact_intersection(twenty_heads: Any, ours: Fragments) -> None:
    exact = exact_barycentric(twenty_heads, ours.triangle)
    error = (ours.barycentric[ours.triangle >= 0] - exact).abs().max().item()
    print(f"largest difference to the exact barycentric: {error:.1e}")
    assert error < 1e-6


def test_barycentrics_are_those_of_pytorch3d(
    twenty_heads: Any, ours: Fragments, theirs: tuple[Tensor, Tensor]
) -> None:
    """Within 1e-4 but in slivers where PyTorch3D's float32, not ours, is off the exact intersection."""
    same = (ours.triangle >= 0) & (ours.triangle == theirs[0])
    difference = (ours.barycentric - theirs[1]).abs().amax(-1)[same]
    exact = exact_barycentric(twenty_heads, torch.where(same, ours.triangle, -1))
    off_exact = (theirs[1][same] - exact).abs().amax(-1)
    apart = difference > 1e-4
    print(
        f"barycentrics: median {difference.median():.1e}, largest {difference.max():.1e}, "
        f"{int(apart.sum())} of {len(apart)} over 1e-4"
    )
    assert apart.double().mean() < 1e-3
    assert (off_exact[apart] > 0.99e-4).all()
