"""The torso comes behind the head's neck and before its rim, and moves as the camera says."""

from __future__ import annotations

import torch

from steadyface.studio.lighting import UP, RoomLight, light_direction
from steadyface.studio.scene import Scene
from steadyface.studio.torso import Torso

INTRINSICS = torch.tensor([[150.0, 0.0, 59.5], [0.0, 150.0, 79.5], [0.0, 0.0, 1.0]])


def make(scene: Scene) -> Torso:
    light = RoomLight(light_direction(50.0, 30.0), UP, torch.ones(3), torch.full((3,), 0.3), torch.full((3,), 0.2))
    return Torso(scene.rest, scene.subject.faces, light, INTRINSICS, 520.0, seed=1)


def covered(torso: Torso, place: list[float]) -> torch.Tensor:
    """Where the torso hides a white picture, (160, 120) bool."""
    white = torch.full((160, 120, 3), 9.0)
    return torso.behind(white, torch.tensor(place))[..., 0] < 4.5


def test_torso_is_below_the_head_and_moves_with_it(scene: Scene) -> None:
    torso = make(scene)
    still, right, near = (covered(torso, place) for place in ([0.0, 0, 520], [40.0, 0, 520], [0.0, 0, 460]))
    assert not still[:110].any() and still[150].float().mean() > 0.8
    row = int(still.any(1).nonzero()[0]) + 4
    columns = torch.arange(120.0)
    moved = (right[row] * columns).sum() / right[row].sum() - (still[row] * columns).sum() / still[row].sum()
    assert abs(float(moved) - 40 * 150 / 520) < 1.0
    assert int(near.any(1).nonzero()[0]) > int(still.any(1).nonzero()[0])  # a near collar is lower in the picture


def test_front_half_leaves_the_neck_in_sight(scene: Scene) -> None:
    torso = make(scene)
    white, place = torch.full((160, 120, 3), 9.0), torch.tensor([0.0, 0.0, 520.0])
    whole, front = torso.behind(white, place) < 4.5, torso.before(white, place) < 4.5
    assert (whole | ~front).float().mean() > 0.999
    assert int(front[:, 59].any(1).nonzero()[0]) > int(whole[:, 59].any(1).nonzero()[0])


def test_key_light_from_the_right_lights_the_right_shoulder(scene: Scene) -> None:
    picture = make(scene).behind(torch.zeros(160, 120, 3), torch.tensor([0.0, 0.0, 520.0]))
    assert picture[140:, 80:110].mean() > 1.3 * picture[140:, 10:40].mean()
