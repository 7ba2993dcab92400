"""Which texels a camera sees, against rays cast at every triangle; and the erosion of masks."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from steadyface.geometry.cameras import project
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import depth_buffer
from steadyface.geometry.texture_space import TexelMap, erode, visibility

K = torch.tensor([[[300.0, 0, 63.5], [0, 300, 63.5], [0, 0, 1]]])
SIZE = 128


def sheet(height_of: Any = None, side: int = 31, width_mm: float = 150.0) -> tuple[Tensor, Tensor, Tensor]:
    """A square sheet turned towards the camera: vertices (1, N, 3), faces, uv. ``height_of`` lifts it."""
    steps = torch.linspace(-0.5, 0.5, side)
    y, x = (axis.flatten() for axis in torch.meshgrid(steps, steps, indexing="ij"))
    lift = height_of(x * width_mm, y * width_mm) if height_of else torch.zeros_like(x)
    corner = (torch.arange(side - 1)[:, None] * side + torch.arange(side - 1)).flatten()
    right, below, across = corner + 1, corner + side, corner + side + 1
    # y points down, so these corners run counter-clockwise as the camera sees them
    faces = torch.cat([torch.stack([corner, below, right], 1), torch.stack([right, below, across], 1)])
    vertices = torch.stack([x * width_mm, y * width_mm, -lift], dim=-1)[None]
    return vertices, faces, torch.stack([x, y], dim=-1) + 0.5


def turned(vertices: Tensor, degrees: float, distance_mm: float = 500.0) -> Tensor:
    """Rotated about the vertical axis and pushed before the camera."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return vertices @ rotation.T + torch.tensor([0, 0, distance_mm])


def is_hidden(points: Tensor, corners: Tensor) -> Tensor:
    """Cast a ray from the camera to each point at every triangle (Moeller-Trumbore): (M, 3), (F, 3, 3) -> (M,)."""
    points, corners = points.double(), corners.double()
    first, second, to_origin = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], -corners[:, 0]
    across = torch.linalg.cross(to_origin, first)
    hidden = []
    for ray in points.split(64):
        determinant = ray @ torch.linalg.cross(second, first).T
        u = ray @ torch.linalg.cross(second, to_origin).T / determinant
        v = ray @ across.T / determinant
        distance = (second * across).sum(-1) / determinant
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0) & (distance < 1 - 1e-4)
        hidden.append(hit.any(1))
    return torch.cat(hidden)


def cast_visibility(vertices: Tensor, intrinsics: Tensor, texel_map: TexelMap, size: int, angle: float) -> Tensor:
    """(1, 1, U, U): facing, in frame, and no triangle before it, with no tolerance at all."""
    points = texel_map.sample(vertices)
    normals = torch.nn.functional.normalize(texel_map.sample(vertex_normals(vertices, texel_map.faces)), dim=-1)
    facing = -(normals * torch.nn.functional.normalize(points, dim=-1)).sum(-1) > math.cos(angle)
    pixels = project(points, intrinsics)
    inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(-1)
    seen = facing & inside & ~is_hidden(points[0], vertices[0, texel_map.faces])
    return texel_map.scatter(seen.unsqueeze(-1).to(vertices.dtype))


def away_from_borders(mask: Tensor) -> Tensor:
    """Texels whose neighbours, two around, are all alike: (1, 1, U, U) bool."""
    return (erode(mask, 2) + erode(1 - mask, 2)).bool()


@pytest.mark.parametrize("degrees", [0, 40, 70, 80, 120, 180])
def test_a_sheet_is_seen_up_to_the_largest_angle(degrees: float) -> None:
    vertices, faces, uv = sheet(width_mm=20.0)
    texel_map = TexelMap.from_topology(faces, uv, faces, 16)
    seen = visibility(turned(vertices, degrees), K, texel_map, SIZE, SIZE, math.radians(75))
    assert seen.shape == (1, 1, 16, 16)
    assert (seen == float(degrees < 75)).all()


def test_the_side_of_the_outward_normals_is_the_one_seen() -> None:
    vertices, faces, uv = sheet(width_mm=20.0)
    flipped = TexelMap.from_topology(faces.flip(1), uv, faces.flip(1), 16)
    assert not visibility(turned(vertices, 0), K, flipped, SIZE, SIZE).any()
    assert visibility(turned(vertices, 180), K, flipped, SIZE, SIZE).all()


def test_only_texels_in_the_frame_are_seen() -> None:
    vertices, faces, uv = sheet()
    texel_map = TexelMap.from_topology(faces, uv, faces, 24)
    moved = turned(vertices, 0) + torch.tensor([90.0, 0, 0])
    seen = visibility(moved, K, texel_map, SIZE, SIZE)
    column = project(texel_map.sample(moved), K)[..., :1]
    assert torch.equal(seen, texel_map.scatter((column < SIZE - 0.5).float()))
    assert 0 < seen.mean() < 1


@pytest.mark.parametrize("gap_mm", [10.0, 60.0])
def test_a_plate_hides_the_plate_behind_it(gap_mm: float) -> None:
    """Two parallel plates in one mesh: the front one takes the texture's upper half, the back one the lower."""
    back, faces, uv = sheet(width_mm=100.0)
    front = back * torch.tensor([0.5, 0.5, 1.0]) - torch.tensor([0, 0, gap_mm])
    both = turned(torch.cat([front, back], dim=1), 0)
    texture_uv = torch.cat([uv * torch.tensor([1, 0.5]), uv * torch.tensor([1, 0.5]) + torch.tensor([0, 0.5])])
    all_faces = torch.cat([faces, faces + len(uv)])
    texel_map = TexelMap.from_topology(all_faces, texture_uv, all_faces, 48)
    seen = visibility(both, K, texel_map, SIZE, SIZE)
    assert seen[..., :24, :].all(), "the front plate is open"
    expected = cast_visibility(both, K, texel_map, SIZE, math.radians(75))
    assert 0.2 < 1 - expected[..., 24:, :].mean() < 0.4
    certain = away_from_borders(expected)
    assert torch.equal(seen[certain], expected[certain])


@pytest.mark.parametrize("degrees", [-50, 35, 60])
def test_a_nose_hides_the_cheek_behind_it(degrees: float) -> None:
    """Even where the cheek faces the camera, so that the normals alone would let it through."""

    def nose(x: Tensor, y: Tensor) -> Tensor:
        return 40 * torch.exp(-(x**2) / 150 - y**2 / 800)

    vertices, faces, uv = sheet(nose)
    texel_map = TexelMap.from_topology(faces, uv, faces, 64)
    camera_frame = turned(vertices, degrees)
    seen = visibility(camera_frame, K, texel_map, SIZE, SIZE)
    expected = cast_visibility(camera_frame, K, texel_map, SIZE, math.radians(75))
    facing = visibility(camera_frame, K, texel_map, SIZE, SIZE, tolerance_mm=1e6)
    certain = away_from_borders(expected)
    assert ((facing > expected) & certain).sum() >= 5
    agreement = (seen == expected)[certain].double().mean().item()
    print(f"{degrees} degrees: agreement {agreement:.2%} of {int(certain.sum())} texels away from borders")
    assert agreement >= 0.99


def test_of_a_head_the_same_texels_are_seen_as_by_rays(subject: Any, twenty_heads: Any) -> None:
    texel_map = TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, 48)
    vertices, _, small = twenty_heads
    intrinsics = small[:1] * (192 / 48)
    intrinsics[:, :2, 2], intrinsics[:, 2, 2] = 95.5, 1.0
    for head in (0, 1):
        camera_frame = vertices[head : head + 1]
        seen = visibility(camera_frame, intrinsics, texel_map, 192, 192)
        expected = cast_visibility(camera_frame, intrinsics, texel_map, 192, math.radians(75))
        certain = away_from_borders(expected) & texel_map.mask.bool()
        agreement = (seen == expected)[certain].double().mean().item()
        on_mesh = (seen == expected)[texel_map.mask.bool()].double().mean().item()
        print(f"head {head}: agreement {agreement:.2%} away from borders, {on_mesh:.2%} of all texels")
        assert certain.sum() > 500
        assert agreement >= 0.99 and on_mesh > 0.95


def test_visibility_of_a_batch_equals_its_images_one_by_one() -> None:
    vertices, faces, uv = sheet(side=9)
    texel_map = TexelMap.from_topology(faces, uv, faces, 20)
    heads = torch.cat([turned(vertices, 20), turned(vertices, 65) + torch.tensor([60.0, 0, 0])])
    together = visibility(heads, K.expand(2, 3, 3), texel_map, SIZE, SIZE)
    alone = [visibility(head[None], K, texel_map, SIZE, SIZE) for head in heads]
    assert torch.equal(together, torch.cat(alone))


def test_what_the_caller_has_already_is_taken_as_it_is() -> None:
    vertices, faces, uv = sheet(side=9)
    texel_map = TexelMap.from_topology(faces, uv, faces, 20)
    placed = turned(vertices, 35)
    normals, buffer = vertex_normals(placed, faces), depth_buffer(placed, faces, K, SIZE, SIZE)
    seen = visibility(placed, K, texel_map, SIZE, SIZE)
    assert seen.any()
    assert torch.equal(visibility(placed, K, texel_map, SIZE, SIZE, normals=normals, buffer=buffer), seen)
    assert not visibility(placed, K, texel_map, SIZE, SIZE, normals=-normals).any()
    assert not visibility(placed, K, texel_map, SIZE, SIZE, buffer=0.5 * buffer)[seen.bool()].any()


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_erode_agrees_with_a_loop(radius: int) -> None:
    mask = (torch.rand(2, 1, 15, 15) > 0.02).float()
    expected = torch.zeros_like(mask)
    for image in range(2):
        for row in range(radius, 15 - radius):
            for column in range(radius, 15 - radius):
                around = mask[image, 0, row - radius : row + radius + 1, column - radius : column + radius + 1]
                expected[image, 0, row, column] = around.min()
    assert torch.equal(erode(mask, radius), expected)
    assert 0 < expected.sum() < mask.sum()
