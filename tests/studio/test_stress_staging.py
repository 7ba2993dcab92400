"""What is filmed again: the same performance, and geometry that follows from what was changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from steadyface.studio.lighting import RoomLight
from steadyface.studio.motion import NECK_PIVOT_MM
from steadyface.studio.settings import StudioSettings
from steadyface.studio.stress_staging import STAGED, BarredLight, turn_camera
from steadyface.studio.subject import EXPRESSION_NAMES
from steadyface.studio.wild_clip import Staging, room_light, stage_clip

NAMES, FRAMES = list(EXPRESSION_NAMES), 64
SETTINGS = StudioSettings(identity_seed=3)


@pytest.fixture(scope="module")
def staging() -> Staging:
    return stage_clip(NAMES, SETTINGS, FRAMES, 0)


def staged(name: str, staging: Staging, strength: float):
    return STAGED[name](staging, strength, np.random.default_rng(4), SETTINGS, NAMES)


def nose(staging: Staging) -> np.ndarray:
    """(T, 2) px of the nose, by a loop."""
    places = []
    for rotation, translation in zip(staging.performance.rotation, staging.performance.translation, strict=True):
        x, y, z = rotation @ np.array([0.0, 20.0, -95.0]) + translation
        places.append([SETTINGS.clip_focal_px * x / z, SETTINGS.clip_focal_px * y / z])
    return np.array(places)


@pytest.mark.parametrize("name", STAGED)
def test_without_strength_nothing_is_changed(name, staging) -> None:
    same = staged(name, staging, 0.0)
    performance, before = same.staging.performance, staging.performance
    assert np.allclose(performance.weights, before.weights) and np.array_equal(performance.time_s, before.time_s)
    assert np.allclose(performance.rotation, before.rotation)
    assert np.allclose(performance.translation, before.translation)
    assert np.allclose(same.staging.background_px, staging.background_px) and not same.smear_px.any()
    direction = room_light(SETTINGS).direction
    assert all(torch.allclose(light.direction, direction, atol=1e-6) for light in same.lights)
    assert len(same.lights) == len(same.rooms) == len(same.shot) == len(same.smear_px) == FRAMES


def test_a_viewpoint_jump_orbits_the_head(staging) -> None:
    strength, found = 24.0, staged("viewpoint_jump", staging, 24.0)
    middle = np.array([0.0, 0.0, SETTINGS.head_distance_mm])
    jumps = [t for t in range(1, FRAMES) if found.shot[t] != found.shot[t - 1]]
    assert jumps == [16, 32, 48] and found.rooms[0] != found.rooms[16] == found.rooms[48]
    turns = found.staging.performance.rotation @ staging.performance.rotation.transpose(0, 2, 1)
    for t in range(FRAMES):  # a point of the head goes where the turn about the middle takes it
        point = np.array([30.0, -20.0, -80.0])
        before = staging.performance.rotation[t] @ point + staging.performance.translation[t]
        after = found.staging.performance.rotation[t] @ point + found.staging.performance.translation[t]
        assert np.allclose(after, turns[t] @ (before - middle) + middle)
        light_before = staging.camera_rotation[t].T @ np.array([0.0, 0.0, 1.0])
        light_after = found.staging.camera_rotation[t].T @ np.array([0.0, 0.0, 1.0])
        assert np.allclose(light_after, turns[t] @ light_before)  # the room turns with the head
    between = turns[16] @ turns[15].T
    angle = math.degrees(math.acos((np.trace(between) - 1.0) / 2.0))
    assert strength < angle < 1.1 * strength  # yaw, and some pitch


def test_a_turned_camera_sees_the_same_scene(staging) -> None:
    angle = 0.02
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    turned = turn_camera(staging, np.repeat(turn[None], FRAMES, axis=0), SETTINGS)
    moved = nose(turned) - nose(staging)
    assert np.allclose(moved[:, 0], -SETTINGS.clip_focal_px * angle, rtol=0.1)  # to the left, as it turns right
    assert np.allclose((turned.background_px - staging.background_px)[:, 0], -SETTINGS.clip_focal_px * angle, rtol=0.01)
    assert np.allclose(np.linalg.norm(turned.body, axis=1), np.linalg.norm(staging.body, axis=1))


def test_a_shaken_picture_moves_as_far_and_where_it_says(staging) -> None:
    found = staged("motion_blur", staging, 12.0)
    length = np.linalg.norm(np.diff(found.smear_px, axis=1), axis=-1).sum(1)
    assert abs(length.mean() - 12.0) < 1e-6 and (length > 2.0).mean() > 0.9
    assert np.allclose(found.smear_px[:, found.smear_px.shape[1] // 2], 0.0)  # the truth holds in mid-exposure
    shift = nose(found.staging) - nose(staging)
    towards = found.smear_px[1:-1, -1] - found.smear_px[1:-1, 0]
    assert np.corrcoef(towards.ravel(), (shift[2:] - shift[:-2]).ravel())[0, 1] > 0.8


def test_a_fast_turn_is_as_fast_as_it_says_about_the_neck(staging) -> None:
    found = staged("fast_head_turn", staging, 200.0)
    extra = found.staging.performance.rotation @ staging.performance.rotation.transpose(0, 2, 1)
    yaw = np.degrees(np.arctan2(extra[:, 0, 2], extra[:, 2, 2]))
    speed = np.abs(np.diff(yaw)) * SETTINGS.fps
    assert 180.0 < speed.max() <= 200.0
    for t in range(FRAMES):
        necks = [part.performance.rotation[t] @ NECK_PIVOT_MM + part.performance.translation[t]
                 for part in (found.staging, staging)]  # fmt: skip
        assert np.allclose(*necks)
    assert np.abs(found.staging.blur_px).max() > np.abs(staging.blur_px).max()


def test_grimaces_go_beyond_the_usual_range_and_leave_lids_and_gaze(staging) -> None:
    weights = staged("expression_extremes", staging, 1.5).staging.performance.weights
    assert 1.1 < weights.max() <= 1.5 and (weights > 1.0).any(1).mean() > 0.5
    lids = [i for i, name in enumerate(NAMES) if name.startswith(("eyeBlink", "eyeLook"))]
    assert np.array_equal(weights[:, lids], staging.performance.weights[:, lids])
    assert staged("expression_extremes", staging, 0.5).staging.performance.weights.max() <= 1.0


def test_the_key_light_swings_to_both_sides(staging) -> None:
    lights = staged("moving_key_light", staging, 30.0).lights
    azimuth = [math.degrees(math.atan2(float(one.direction[0]), -float(one.direction[2]))) for one in lights]
    assert abs(max(azimuth) - SETTINGS.key_azimuth_deg - 30.0) < 1.0
    assert abs(min(azimuth) - SETTINGS.key_azimuth_deg + 30.0) < 1.0
    assert all(abs(float(one.direction.norm()) - 1.0) < 1e-5 for one in lights)


def barred(place: float, opacity: float) -> BarredLight:
    plain = room_light(SETTINGS)
    known = {name: getattr(plain, name) for name in RoomLight.__dataclass_fields__}
    across = torch.linalg.cross(plain.direction, plain.up)
    return BarredLight(
        **known, across=across / across.norm(), place_mm=place, centre=torch.tensor([0.0, 0.0, 520.0]), opacity=opacity
    )


def test_the_bar_shadows_what_lies_behind_it_and_nothing_else() -> None:
    light = barred(20.0, 0.8)
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, generator=generator) * 60.0 + light.centre
    cover = light.covered(points)[:, 0]
    for point, value in zip(points, cover, strict=True):
        beside = abs(float(torch.dot(point - light.centre, light.across)) - 20.0)
        expected = 1.0 / (1.0 + math.exp(-(26.0 - beside) * 4.0 / 9.0))
        assert abs(float(value) - expected) < 1e-4
    assert float(cover.max()) > 0.99 and float(cover.min()) < 0.01
    # one point along the lamp's ray is as dark as another
    assert torch.allclose(light.covered(points + 40.0 * light.direction)[:, 0], cover, atol=1e-3)


def test_a_turned_barred_light_shadows_the_turned_points() -> None:
    light = barred(-15.0, 0.8)
    angle = 0.4
    turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) * 60.0
    turned = light.turned(turn)
    assert isinstance(turned, BarredLight) and turned.opacity == 0.8
    assert torch.allclose(
        turned.covered(points @ turn.T + light.centre), light.covered(points + light.centre), atol=1e-3
    )


def test_the_shadow_crosses_the_face(staging) -> None:
    lights = staged("cast_shadow", staging, 0.7).lights
    places = [one.place_mm for one in lights if isinstance(one, BarredLight)]
    assert len(places) == FRAMES and max(places) > 55.0 and min(places) < -55.0
    assert float(np.abs(np.diff(places)).max()) < 15.0
