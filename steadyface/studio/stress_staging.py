"""Conditions that need rendering again: what the stress suite changes in a clip before it is filmed.

Each takes the staging of an ordinary clip, how strong, and a generator, and gives a staging of the same times with
what the stage needs beside it: the light of each frame, the room behind it, the path of a shaken picture.

To add one, write such a function and give it an entry in ``STAGED``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from steadyface.studio.lighting import RoomLight, light_direction
from steadyface.studio.motion import (
    NECK_PIVOT_MM,
    Array,
    Performance,
    Shapes,
    rotation_from_angles,
    smooth_keys,
)
from steadyface.studio.settings import StudioSettings
from steadyface.studio.wild_clip import Staging, nose_path, room_light

SUB_FRAMES = 9
"""Positions that a shaken frame is the mean of."""

_SHAKEN_SHUTTER = 0.8  # share of the frame's time: a phone in dim light
_SHAKE_HZ = (6.0, 10.0)
_TURN_DEG = 26.0  # either way
_VIEW_FRAMES = 16  # between two jumps of the viewpoint
_BAR_MM, _BAR_EDGE_MM, _BAR_REACH_MM, _BAR_FRAMES = 52.0, 9.0, 66.0, 42.0  # of what casts a shadow
_POSTURE_S = 0.3  # between two extreme postures
_EXTREME = ("jaw", "mouth", "cheek", "brow", "eyeSquint", "eyeWide", "nose")


class StressStaging(NamedTuple):
    """A clip of T frames before it is filmed.

    staging: as of an ordinary clip; lights: T, in the room's axes; rooms (T,): which room is behind, 0 the clip's
    own; smear_px (T, K, 2): where the whole picture is during the exposure, right and down; shot (T,): one more
    after each cut.
    """

    staging: Staging
    lights: list[RoomLight]
    rooms: list[int]
    smear_px: Array
    shot: list[int]


Stage = Callable[[Staging, float, np.random.Generator, StudioSettings, list[str]], StressStaging]


@dataclass(frozen=True, kw_only=True)
class BarredLight(RoomLight):
    """A key light with a bar before it, whose soft shadow falls on the head.

    Attributes:
        across: (3,) unit, at right angles to the light: the way in which the bar moves.
        place_mm: of the bar's middle along it, from ``centre``.
        centre: (3,) mm, in the axes of the vertices.
        opacity: share of the key light that the bar holds back.
    """

    across: Tensor
    place_mm: float
    centre: Tensor
    opacity: float

    def turned(self, rotation: Tensor) -> RoomLight:
        """The same light in other axes; the head is where it was."""
        return replace(self, direction=rotation @ self.direction, up=rotation @ self.up, across=rotation @ self.across)

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        """As without the bar, times what the bar lets through: (N, 3), (N, 3), (F, 3) -> (N, 1)."""
        share = super().key_share(vertices, normals, faces)
        return share * (1.0 - self.opacity * self.covered(vertices))

    def covered(self, vertices: Tensor) -> Tensor:
        """How far the bar covers the lamp, as seen from (N, 3) camera axes: (N, 1) in [0, 1]."""
        beside = (vertices - self.centre) @ self.across - self.place_mm
        return torch.sigmoid((0.5 * _BAR_MM - beside.abs()) * (4.0 / _BAR_EDGE_MM)).unsqueeze(1)


def as_staged(staging: Staging, settings: StudioSettings) -> StressStaging:
    """An ordinary clip."""
    count = len(staging.gain)
    return StressStaging(staging, [room_light(settings)] * count, [0] * count, np.zeros((count, 1, 2)), [0] * count)


def moving_key_light(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """The key light swings about the head by ``strength`` degrees either way, once in 1.6 s."""
    time_s, phase = staging.performance.time_s - staging.performance.time_s[0], rng.uniform(0.0, 2.0 * np.pi)
    turn = strength * np.sin(2.0 * np.pi * time_s / 1.6 + phase)
    rise = 0.25 * strength * np.sin(2.0 * np.pi * time_s / 1.1)
    still = as_staged(staging, settings)
    lights = [
        replace(light, direction=light_direction(settings.key_azimuth_deg + a, settings.key_elevation_deg + e))
        for light, a, e in zip(still.lights, turn, rise, strict=True)
    ]
    return still._replace(lights=lights)


def cast_shadow(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """A bar passes between key light and face, to and fro; it holds back a share ``strength`` of the key light."""
    light = room_light(settings)
    right = torch.linalg.cross(light.direction, light.up)
    right = right / right.norm()
    above = torch.linalg.cross(right, light.direction)
    tilt = float(rng.uniform(-0.5, 0.5))
    across = math.cos(tilt) * right + math.sin(tilt) * above
    frame, phase = np.arange(len(staging.gain)), rng.uniform(0.0, 2.0 * np.pi)
    places = _BAR_REACH_MM * np.sin(2.0 * np.pi * frame / _BAR_FRAMES + phase)
    centre = torch.from_numpy(staging.performance.translation.mean(0)).float()
    known = {name: getattr(light, name) for name in RoomLight.__dataclass_fields__}
    lights: list[RoomLight] = [
        BarredLight(**known, across=across, place_mm=float(place), centre=centre, opacity=strength) for place in places
    ]
    return as_staged(staging, settings)._replace(lights=lights)


def shaken(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """A hand that shakes in dim light: the picture moves by ``strength`` pixels during an exposure, on average."""
    count, ways = len(staging.gain), np.linspace(-0.5, 0.5, SUB_FRAMES) * _SHAKEN_SHUTTER
    time = (np.arange(count)[:, None] + ways) / settings.fps  # (T, K)
    angles = np.zeros((*time.shape, 2))  # yaw, pitch
    for axis in range(2):
        for _ in range(3):
            hz, phase = rng.uniform(*_SHAKE_HZ), rng.uniform(0.0, 2.0 * np.pi)
            angles[..., axis] += rng.uniform(0.5, 1.0) * np.sin(2.0 * np.pi * hz * time + phase)
    path = np.linalg.norm(np.diff(angles, axis=1), axis=-1).sum(1).mean()
    angles *= strength / (settings.clip_focal_px * path)
    middle = angles[:, SUB_FRAMES // 2]
    turned = turn_camera(staging, rotation_from_angles(middle[:, 0], middle[:, 1], np.zeros(count)), settings)
    # the picture of a camera that turns to the right moves to the left, of one that turns up, down
    seen = settings.clip_focal_px * np.array([-1.0, 1.0]) * (angles - middle[:, None])
    return as_staged(turned, settings)._replace(smear_px=seen)


def turn_camera(staging: Staging, turn: Array, settings: StudioSettings) -> Staging:
    """The same scene from a camera that is turned where it stands.

    Shapes: turn (T, 3, 3), the turned camera's axes -> those of before.
    """
    back, performance = turn.transpose(0, 2, 1), staging.performance
    place = np.einsum("tij,tj->ti", back, performance.translation)
    seen = performance._replace(rotation=back @ performance.rotation, translation=place)
    room = np.einsum("tij,j->ti", back, np.array([0.0, 0.0, 1.0]))
    return replace(
        staging, performance=seen, body=np.einsum("tij,tj->ti", back, staging.body),
        camera_rotation=staging.camera_rotation @ turn,
        background_px=staging.background_px + settings.clip_focal_px * room[:, :2] / room[:, 2:],
    )  # fmt: skip


def viewpoint_jump(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """The phone jumps about the head by ``strength`` degrees, to and fro, four times in 64 frames."""
    count, side = len(staging.gain), float(rng.choice([-1.0, 1.0]))
    shot = [t // _VIEW_FRAMES for t in range(count)]
    yaw = np.radians(strength) * side * np.array([0.5 if number % 2 else -0.5 for number in shot])
    turn = rotation_from_angles(yaw, 0.3 * yaw, np.zeros(count))
    performance = staging.performance
    middle = np.array([0.0, 0.0, settings.head_distance_mm])
    seen = performance._replace(
        rotation=turn @ performance.rotation,
        translation=np.einsum("tij,tj->ti", turn, performance.translation - middle) + middle,
    )
    orbited = replace(
        staging, performance=seen, body=np.einsum("tij,tj->ti", turn, staging.body - middle) + middle,
        camera_rotation=staging.camera_rotation @ turn.transpose(0, 2, 1),
    )  # fmt: skip
    return as_staged(orbited, settings)._replace(rooms=[number % 2 for number in shot], shot=shot)


def fast_head_turn(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """The head shakes as in a no, at up to ``strength`` degrees a second beside its usual motion."""
    performance, side = staging.performance, float(rng.choice([-1.0, 1.0]))
    rate = np.radians(strength) / np.radians(_TURN_DEG)  # radians a second of the swing's phase
    yaw = side * np.radians(_TURN_DEG) * np.sin(rate * (performance.time_s - performance.time_s[0]))
    turn = rotation_from_angles(yaw, np.zeros_like(yaw), np.zeros_like(yaw))
    pivot = performance.rotation @ NECK_PIVOT_MM + performance.translation
    seen = performance._replace(
        rotation=turn @ performance.rotation,
        translation=np.einsum("tij,tj->ti", turn, performance.translation - pivot) + pivot,
    )
    return as_staged(replace(staging, performance=seen, blur_px=nose_path(seen, settings)), settings)


def expression_extremes(
    staging: Staging, strength: float, rng: np.random.Generator, settings: StudioSettings, names: list[str]
) -> StressStaging:
    """Grimaces of many shapes at once, each up to ``strength`` times its full reach, three a second."""
    shapes, performance = Shapes(names), staging.performance
    groups = shapes.pairs(shapes.matching(_EXTREME))
    time_s = performance.time_s
    count = math.ceil((time_s[-1] - time_s[0]) / _POSTURE_S) + 2
    keys = np.zeros((count, len(names)))
    for key in keys:
        for number in rng.permutation(len(groups))[: max(5, len(groups) // 4)]:
            key[list(groups[number])] = rng.uniform(0.75, 1.0)
    grimace = strength * shapes.settle(smooth_keys(time_s[0] + _POSTURE_S * np.arange(count), keys, time_s))
    weights = np.maximum(grimace, (1.0 - 0.8 * min(strength, 1.0)) * performance.weights)
    lids = shapes.matching(["eyeBlink", "eyeLook"])
    weights[:, lids] = performance.weights[:, lids]
    seen: Performance = performance._replace(weights=weights)
    return as_staged(replace(staging, performance=seen), settings)


STAGED: dict[str, Stage] = {
    "moving_key_light": moving_key_light,
    "cast_shadow": cast_shadow,
    "motion_blur": shaken,
    "viewpoint_jump": viewpoint_jump,
    "fast_head_turn": fast_head_turn,
    "expression_extremes": expression_extremes,
}
"""Name -> what it makes of a staging."""
