"""Vertex normals against a slow loop, and the side to which they point."""

from __future__ import annotations

from typing import Any

import torch
from pytorch3d.transforms import random_rotations
from pytorch3d.utils import ico_sphere
from torch import Tensor

from steadyface.geometry.normals import vertex_normals


def sphere() -> tuple[Tensor, Tensor]:
    """Corners counter-clockwise as seen from outside: (1, N, 3) and (F, 3)."""
    mesh = ico_sphere(3)
    vertices, faces = mesh.verts_packed(), mesh.faces_packed()
    first, second, third = vertices[faces].unbind(1)
    assert ((torch.linalg.cross(second - first, third - first) * first).sum(-1) > 0).all()
    return vertices[None], faces


def test_agrees_with_a_slow_loop() -> None:
    faces = sphere()[1]
    vertices = torch.randn(2, int(faces.max()) + 1, 3, dtype=torch.float64)
    expected = torch.zeros_like(vertices)
    for image in range(2):
        for triangle in faces.tolist():
            first, second, third = (vertices[image, corner] for corner in triangle)
            for corner in triangle:
                expected[image, corner] += torch.linalg.cross(second - first, third - first)
    expected = expected / expected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(vertex_normals(vertices, faces), expected)


def test_a_sphere_s_point_outwards_in_any_pose() -> None:
    vertices, faces = sphere()
    for rotation in random_rotations(4):
        turned = vertices @ rotation.T
        normals = vertex_normals(80 * turned + torch.tensor([30.0, -20, 600]), faces)
        torch.testing.assert_close(normals, turned, rtol=0, atol=0.02)
        torch.testing.assert_close(normals.norm(dim=-1), torch.ones_like(normals[..., 0]))


def test_a_triangle_seen_counter_clockwise_by_an_opencv_camera_turns_towards_it() -> None:
    """On the screen, rows growing downwards: left top, left bottom, right top is counter-clockwise."""
    corners = torch.tensor([[[0.0, 0, 500], [0, 10, 500], [10, 0, 500]]])
    normals = vertex_normals(corners, torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(normals, torch.tensor([0.0, 0, -1]).expand(1, 3, 3))
    flipped = vertex_normals(corners, torch.tensor([[0, 2, 1]]))
    torch.testing.assert_close(flipped, -normals)


def test_the_larger_triangle_weighs_more() -> None:
    corners = torch.tensor([[[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, -9.0]]])
    normal = vertex_normals(corners, torch.tensor([[0, 1, 2], [0, 3, 1]]))[0, 0]
    torch.testing.assert_close(normal, torch.tensor([9.0, 0, -1]) / 82**0.5)


def test_a_vertex_without_a_triangle_has_no_normal_and_no_nan() -> None:
    corners = torch.tensor([[[0.0, 0, 0], [0, 1, 0], [1, 0, 0], [5, 5, 5]]], requires_grad=True)
    normals = vertex_normals(corners, torch.tensor([[0, 1, 2], [0, 0, 1]]))
    assert not normals[0, 3].any()
    normals.sum().backward()
    assert torch.isfinite(corners.grad).all()


def test_the_subject_s_point_out_of_the_head(subject: Any) -> None:
    """The visibility by facing angle stands on this."""
    neutral = subject.vertices(torch.zeros(1, len(subject.expression_names)))
    normals = vertex_normals(neutral, subject.faces)[0]
    for name in ("cheeks", "rigid", "nose"):
        index = subject.regions[name]
        assert (normals[index, 2] < 0).double().mean() > 0.9, f"{name} faces along -z, towards the camera"


def test_passes_gradcheck() -> None:
    vertices = torch.randn(1, 5, 3, dtype=torch.float64, requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4]])
    assert torch.autograd.gradcheck(lambda points: vertex_normals(points, faces), (vertices,))


def test_triangles_of_no_area_leave_the_normal_at_zero() -> None:
    """In float32 far from the origin too, where rounding must not make up a direction."""
    corners = torch.tensor([[[23.85, -54.75, 955.39], [23.85, -54.75, 955.39], [21.83, -58.5, 955.42]]])
    normals = vertex_normals(corners, torch.tensor([[0, 1, 2], [1, 0, 2]]))
    assert not normals.any()
