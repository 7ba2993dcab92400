"""The environment's lights and the light that rays bring to a mesh, against what can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from steadyface.geometry.normals import vertex_normals
from steadyface.studio.other_world.environment import (
    Mirror,
    cut_lights,
    directions,
    picture_from,
    solid_angles,
)
from steadyface.studio.other_world.ray_light import RayLight, oren_nayar
from steadyface.studio.other_world.room import furnish

GREY = torch.tensor([0.5, 1.0, 2.0])


def ball(rows: int = 14, radius: float = 80.0) -> tuple[Tensor, Tensor]:
    """A closed ball: vertices (N, 3), faces (F, 3) that face outwards."""
    ring = directions(rows)
    columns = 2 * rows
    poles = torch.tensor([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    vertices = radius * torch.cat([ring.reshape(-1, 3), poles])
    faces = []
    for c in range(columns):
        n = (c + 1) % columns
        faces += [[rows * columns, c, n], [rows * columns + 1, (rows - 1) * columns + n, (rows - 1) * columns + c]]
        for r in range(rows - 1):
            a, b, d, e = r * columns + c, r * columns + n, (r + 1) * columns + c, (r + 1) * columns + n
            faces += [[a, d, b], [b, d, e]]
    found = torch.tensor(faces)
    a, b, c3 = vertices[found].unbind(1)
    inwards = (torch.linalg.cross(b - a, c3 - a) * a).sum(1) < 0
    found[inwards] = found[inwards][:, [0, 2, 1]]
    return vertices, found


def tracer(faces: Tensor, count: int, reflected: float = 0.0) -> RayLight:
    pytest.importorskip("embreex")
    return RayLight(faces, torch.full((len(faces), 3), reflected), torch.zeros(count))


def test_lights_keep_energy_and_solid_angle() -> None:
    picture = furnish(4)
    seen = picture_from(picture.radiance, torch.tensor([0.0, 0.0, 560.0]), finer=1)
    lights = cut_lights(seen, 60)
    torch.testing.assert_close(lights.energy.sum(0), (seen * solid_angles(len(seen))[..., None]).sum((0, 1)))
    assert float(lights.solid_angle.sum()) == pytest.approx(4 * math.pi, rel=1e-5)
    assert len(lights.direction) == 60


def test_the_dark_is_divided_too() -> None:
    """One bright window in the dark: most lights go to it, yet no direction stands for a large part of the sphere."""
    picture = torch.full((64, 128, 3), 0.01)
    picture[16:32, 40:56] = 500.0
    lights = cut_lights(picture, 40)
    assert float(lights.solid_angle.max()) < 1.6
    lamp = directions(64)[16:32, 40:56].reshape(-1, 3)
    assert int(((lights.direction @ lamp.T).amax(1) > 0.999).sum()) >= 8


def test_a_constant_environment_lights_a_ball_with_pi_times_its_radiance() -> None:
    vertices, faces = ball()
    normals = vertex_normals(vertices[None], faces)[0]
    lights = cut_lights(GREY.expand(64, 128, 3).contiguous(), 400)
    far = vertices + 1e6 * normals  # seen from straight above each vertex: no term but the even one
    even = float(oren_nayar(normals, normals @ normals[:1].T, normals[:1], far - vertices)[0, 0])
    rays = tracer(faces, len(vertices))
    received = (normals @ lights.direction.T).clamp(min=0.0) @ lights.energy
    torch.testing.assert_close(received, (math.pi * GREY).expand_as(received), rtol=0.03, atol=0.0)
    irradiance, open_share = rays.trace(vertices, normals, torch.zeros(3), lights)
    torch.testing.assert_close(open_share, torch.ones_like(open_share), rtol=0.0, atol=1e-4)
    assert float(irradiance.min()) > 0.95 * even * math.pi * 0.5  # nothing of a ball shades itself


def test_what_stands_before_a_light_never_brightens() -> None:
    """A black plate over the ball takes light away where it is seen, and adds none anywhere."""
    vertices, faces = ball()
    plate = torch.tensor([[-300.0, -150.0, -300.0], [300.0, -150.0, -300.0], [-300.0, -150.0, 300.0],
                          [300.0, -150.0, 300.0]])  # fmt: skip
    both = torch.cat([vertices, plate])
    more = torch.cat([faces, torch.tensor([[0, 1, 2], [2, 1, 3]]) + len(vertices)])
    normals = vertex_normals(both[None], more)[0]
    lights = cut_lights(GREY.expand(64, 128, 3).contiguous(), 120)
    eye = torch.tensor([0.0, 0.0, -900.0])
    bare, _ = tracer(faces, len(vertices)).trace(vertices, normals[: len(vertices)], eye, lights)
    shaded, _ = tracer(more, len(both)).trace(both, normals, eye, lights)
    change = shaded[: len(vertices)] - bare
    assert float(change.max()) < 1e-4
    assert float(change[-2, 1]) < -0.8 * float(bare[-2, 1])  # the pole below the plate
    assert float(change[-1].abs().max()) < 1e-4  # the other pole does not see it


def test_a_bright_plate_lights_the_ball_back() -> None:
    """The bounce: with a white plate in the place of the black one, the shade is filled, but not past the open sky."""
    vertices, faces = ball()
    plate = torch.tensor([[-300.0, -150.0, -300.0], [300.0, -150.0, -300.0], [-300.0, -150.0, 300.0],
                          [300.0, -150.0, 300.0]])  # fmt: skip
    both, more = torch.cat([vertices, plate]), torch.cat([faces, torch.tensor([[0, 1, 2], [2, 1, 3]]) + len(vertices)])
    normals = vertex_normals(both[None], more)[0]
    normals[len(vertices) :] = torch.tensor([0.0, 1.0, 0.0])
    lights = cut_lights(GREY.expand(64, 128, 3).contiguous(), 120)
    eye = torch.tensor([0.0, 0.0, -900.0])
    black, _ = tracer(more, len(both)).trace(both, normals, eye, lights)
    white, _ = tracer(more, len(both), reflected=0.9).trace(both, normals, eye, lights)
    bare, _ = tracer(faces, len(vertices)).trace(vertices, normals[: len(vertices)], eye, lights)
    assert float((white - black).min()) > -1e-4
    top = len(vertices) - 2
    assert 1.1 * float(black[top, 1]) < float(white[top, 1]) < float(bare[top, 1])


def test_a_rough_mirror_of_an_even_environment_is_even() -> None:
    mirror = Mirror(GREY.expand(64, 128, 3).contiguous(), (0.4, 0.05))
    seen = mirror.look_up(normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=1))
    torch.testing.assert_close(seen, GREY.expand_as(seen), rtol=1e-4, atol=1e-4)


def test_a_sharp_mirror_shows_a_lamp_where_it_is() -> None:
    where = directions(64)
    lamp = normalize(torch.tensor([0.6, -0.3, -0.7]), dim=0)
    picture = ((where @ lamp) > 0.98).float()[..., None].expand(-1, -1, 3)
    mirror = Mirror(picture, (0.05,))
    around = normalize(torch.randn(400, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    at_lamp, elsewhere = mirror.look_up(lamp[None])[0, 0, 0], mirror.look_up(around[(around @ lamp) < 0.8])[0]
    assert float(at_lamp) > 0.5 and float(elsewhere.max()) < 0.02
