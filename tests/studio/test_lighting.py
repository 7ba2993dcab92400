"""Light reads as light: shadows fall behind what stands before the lamp, hollows are darker."""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.geometry.normals import vertex_normals
from steadyface.studio.lighting import UP, DomeLight, RoomLight, Surface, ambient_occlusion, light_direction, shadow
from steadyface.studio.scene import Scene


def plane(side: int, half_mm: float, depth_mm: float) -> tuple[Tensor, Tensor]:
    """A square grid that faces the camera, side x side vertices."""
    line = torch.linspace(-half_mm, half_mm, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    vertices = torch.stack([x, y, torch.full_like(x, depth_mm)], dim=-1).view(-1, 3)
    first = (torch.arange(side - 1)[:, None] * side + torch.arange(side - 1)).flatten()
    faces = torch.cat([
        torch.stack([first, first + side, first + 1], dim=1),
        torch.stack([first + 1, first + side, first + side + 1], dim=1),
    ])  # fmt: skip
    return vertices, faces


def table_with_board(gap_mm: float = 60.0) -> tuple[Tensor, Tensor]:
    """A wall at depth 0 and, a little nearer to the camera, a small board before its middle."""
    wall, wall_faces = plane(61, 100.0, 0.0)
    board, board_faces = plane(5, 15.0, -gap_mm)
    return torch.cat([wall, board]), torch.cat([wall_faces, board_faces + len(wall)])


def test_shadow_falls_away_from_the_light() -> None:
    vertices, faces = table_with_board()
    normals = vertex_normals(vertices[None], faces)[0]
    assert torch.all(normals[:, 2] < 0)
    light = light_direction(45.0, 0.0)  # from the right: the shadow lies 60 mm to the left of the board
    lit = shadow(vertices, normals, faces, light, 4.0)[: 61 * 61]
    wall = vertices[: 61 * 61]
    inside = ((wall[:, :2] - torch.tensor([-60.0, 0.0])).abs() < 8.0).all(1)
    outside = ((wall[:, :2] - torch.tensor([-60.0, 0.0])).abs() > 24.0).any(1)
    assert lit[inside].max() == 0.0
    assert lit[outside & (wall.abs().amax(1) < 95)].min() == 1.0
    edge = lit[~inside & ~outside]
    assert ((edge > 0.2) & (edge < 0.8)).any()  # soft


def test_slope_does_not_shadow_itself() -> None:
    vertices, faces = plane(61, 100.0, 0.0)
    normals = vertex_normals(vertices[None], faces)[0]
    for azimuth in (0.0, 30.0, 60.0, 70.0):
        lit = shadow(vertices, normals, faces, light_direction(azimuth, 10.0), 5.0)
        middle = vertices.abs().amax(1) < 90
        assert lit[middle].min() == 1.0, azimuth


def test_occlusion_of_a_wall_and_of_a_hollow() -> None:
    vertices, faces = table_with_board(12.0)
    open_sky = ambient_occlusion(vertices, vertex_normals(vertices[None], faces)[0], faces)[: 61 * 61]
    behind, far = open_sky[30 * 61 + 30], open_sky[5 * 61 + 5]
    assert far > 0.9
    assert behind < far - 0.3


def test_key_light_from_the_right_darkens_the_left(scene: Scene) -> None:
    subject = scene.subject
    vertices = scene.rest + torch.tensor([0.0, 0.0, 500.0])
    normals = vertex_normals(vertices[None], subject.faces)[0]
    light = RoomLight(light_direction(60.0, 10.0), UP, torch.ones(3), torch.zeros(3), torch.zeros(3))
    lit = light.key_share(vertices, normals, subject.faces)[:, 0] * (normals @ light.direction).clamp(min=0)
    cheeks = subject.regions["cheeks"]
    right = cheeks[scene.rest[cheeks, 0] > 25]
    left = cheeks[scene.rest[cheeks, 0] < -25]
    assert lit[right].mean() > 3 * lit[left].mean()
    # beside the nose the skin faces the lamp about as it does on the cheek: what it lacks is the nose's shadow
    behind_nose = shadow(vertices, normals, subject.faces, light_direction(60.0, 10.0), 5.0)[left]
    assert behind_nose.min() < 0.2


def test_dome_is_uniform_and_sheen_depends_on_the_view() -> None:
    normal = torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]).T
    full = torch.ones(1, 2)
    albedo = torch.full((3, 2), 0.4)
    towards = torch.tensor([[0.0], [0.0], [-1.0]]).expand(3, 2)
    matt = DomeLight(UP).shade(Surface(normal, towards, albedo, 0 * full, full, full))
    assert torch.allclose(matt[:, 0], matt[:, 1])
    shiny = DomeLight(UP).shade(Surface(normal, towards, albedo, full, full, full))
    assert (shiny - matt)[1, 1] > 3 * (shiny - matt)[1, 0] > 0
