"""Films a person talking in a room with a phone: the frames of a clip, and their truth.

The world of the truth is the phone: poses are head -> camera.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from steadyface.geometry.cameras import project, transform
from steadyface.studio.backgrounds import MARGIN_PX, paint_room
from steadyface.studio.lighting import UP, RoomLight, light_direction
from steadyface.studio.motion import (
    NECK_PIVOT_MM,
    Array,
    HeadRange,
    Performance,
    Shapes,
    blinks,
    gaze,
    head_motion,
)
from steadyface.studio.phone_camera import HandHeld, PhoneCamera, motion_blur, translate
from steadyface.studio.scene import Scene, texture_size_for
from steadyface.studio.settings import StudioSettings
from steadyface.studio.shading import Layer
from steadyface.studio.speech import emotion_weights, speech_weights
from steadyface.studio.torso import Torso

CLIP_NAMES = ("adapt", "held_out")

WILD_HEAD_RANGE = HeadRange(22.0, 10.0, 8.0, (18.0, 6.0, 20.0), 0.12, 0.8)

ROOM_DISTANCE_MM = 2500.0
"""From the phone to what is behind the head."""

_FRAMES_A_TASK = 10
_NOSE_MM = torch.tensor([0.0, 20.0, -95.0])  # its motion in the picture stands for the head's blur


@dataclass(frozen=True)
class Staging:
    """A clip before it is filmed, T frames in camera axes.

    Attributes:
        performance: weights and head poses, head -> camera.
        body: (T, 3) mm, where the torso is: it follows the head's shifts, not its turns.
        camera_rotation: (T, 3, 3), camera -> room.
        background_px: (T, 2) shift of the room's picture, right and down.
        blur_px: (T, 2) path of the nose during the exposure.
        gain: (T,) of the automatic exposure.
    """

    performance: Performance
    body: Array
    camera_rotation: Array
    background_px: Array
    blur_px: Array
    gain: Array

    def slice(self, start: int, stop: int) -> Staging:
        """Frames start to stop - 1."""
        parts = {name: value for name, value in vars(self).items() if name != "performance"}
        cut = {name: value[start:stop] for name, value in parts.items()}
        return Staging(self.performance.slice(start, stop), **cut)


class ClipTask(NamedTuple):
    """Consecutive frames of one clip; ``seeds`` (T,) are those of the sensor's noise."""

    clip: str
    staging: Staging
    seeds: list[int]


class Footage(NamedTuple):
    """What a task yields: frames, each (H, W, 3) uint8 sRGB, and vertices (T, N, 3) head frame, mm."""

    frames: list[NDArray[np.uint8]]
    vertices: NDArray[np.float32]


def clip_tasks(names: Iterable[str], settings: StudioSettings) -> dict[str, list[ClipTask]]:
    """Every clip cut into tasks, always in the same way."""
    counts = dict(zip(CLIP_NAMES, (settings.adapt_frames, settings.held_out_frames), strict=True))
    tasks: dict[str, list[ClipTask]] = {}
    for number, (clip, count) in enumerate(counts.items()):
        if count:
            staging = stage_clip(list(names), settings, count, number)
            tasks[clip] = [
                ClipTask(clip, staging.slice(at, at + _FRAMES_A_TASK), _noise_seeds(settings, number, at, count))
                for at in range(0, count, _FRAMES_A_TASK)
            ]
    return tasks


def _noise_seeds(settings: StudioSettings, clip: int, start: int, count: int) -> list[int]:
    frames = range(start, min(start + _FRAMES_A_TASK, count))
    return [int(np.random.SeedSequence([settings.identity_seed, 606, clip, f]).generate_state(1)[0]) for f in frames]


def stage_clip(names: list[str], settings: StudioSettings, frame_count: int, clip: int) -> Staging:
    """Decides everything that happens in a clip.

    Args:
        names: of the expression shapes.
        settings: frame rate, camera, identity.
        frame_count: frames of the clip.
        clip: its number; clips differ in their motion alone.
    """
    rng = np.random.default_rng([settings.identity_seed, 707, clip])
    time_s = np.arange(frame_count) / settings.fps
    weights = _talk(rng, time_s, Shapes(names))
    rotation, translation = head_motion(rng, time_s, WILD_HEAD_RANGE)
    translation = translation + np.array([0.0, 0.0, settings.head_distance_mm])
    camera, centre = HandHeld().poses(rng, time_s)
    to_camera = camera.transpose(0, 2, 1)
    body = translation + rotation @ NECK_PIVOT_MM - NECK_PIVOT_MM
    seen, body, room = (
        np.einsum("tij,tj->ti", to_camera, place - centre)
        for place in (translation, body, np.array([0.0, 0.0, ROOM_DISTANCE_MM]))
    )
    in_camera = Performance(time_s, weights, to_camera @ rotation, seen)
    gain = PhoneCamera(exposure_drift_stops=settings.exposure_drift_stops).exposure_gains(rng, time_s)
    background = settings.clip_focal_px * room[:, :2] / room[:, 2:]
    return Staging(in_camera, body, camera, background, nose_path(in_camera, settings), gain)


def _talk(rng: np.random.Generator, time_s: Array, shapes: Shapes) -> Array:
    """Speech, emotions, blinks and glances together: (T,) -> (T, E)."""
    weights = np.maximum(speech_weights(rng, time_s, shapes), emotion_weights(rng, time_s, shapes))
    gaze(rng, time_s, shapes, weights)
    shapes.add(weights, "eyeBlink", blinks(rng, time_s))
    return shapes.settle(weights)


def nose_path(performance: Performance, settings: StudioSettings) -> Array:
    """Pixels the nose moves while the shutter is open: (T, 2)."""
    place = performance.rotation @ _NOSE_MM.double().numpy() + performance.translation
    pixels = settings.clip_focal_px * place[:, :2] / place[:, 2:]
    if len(pixels) < 2:
        return np.zeros_like(pixels)
    return np.gradient(pixels, axis=0) * PhoneCamera().shutter


def clip_intrinsics(settings: StudioSettings) -> Tensor:
    """(3, 3) K of the phone, the principal point in the picture's middle."""
    focal, x, y = settings.clip_focal_px, 0.5 * (settings.clip_width - 1), 0.5 * (settings.clip_height - 1)
    return torch.tensor([[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]])


class WildStage:
    """The room, its light and the phone. One in each worker.

    Args:
        scene: the person and how they are drawn.
        settings: light, camera, sizes.
    """

    def __init__(self, scene: Scene, settings: StudioSettings) -> None:
        self._scene, self._settings = scene, settings
        self._intrinsics = clip_intrinsics(settings)
        self._phone = PhoneCamera(exposure_drift_stops=settings.exposure_drift_stops)
        self._light = room_light(settings)
        self._room = paint_room(settings.clip_height, settings.clip_width, settings.identity_seed)
        self._torso = Torso(
            scene.rest,
            scene.subject.faces,
            self._light,
            self._intrinsics,
            settings.head_distance_mm,
            settings.identity_seed,
        )
        height_mm = float(scene.rest[:, 1].amax() - scene.rest[:, 1].amin())
        self._texture_size = texture_size_for(settings.clip_focal_px * height_mm / settings.head_distance_mm)

    def film(self, task: ClipTask) -> Footage:
        """Renders and develops the task's frames."""
        frames, vertices = [], []
        for index, seed in enumerate(task.seeds):
            mesh = self._scene.mesh(task.staging.performance, index)
            linear = self.expose(task.staging, index, mesh)
            generator = torch.Generator().manual_seed(seed)
            frames.append(self._phone.develop(linear, float(task.staging.gain[index]), generator).numpy())
            vertices.append(mesh.numpy())
        return Footage(frames, np.stack(vertices))

    def light_at(self, index: int) -> RoomLight:
        """The light of a frame of the task, in the room's axes: here the same in all."""
        return self._light

    def expose(self, staging: Staging, index: int, mesh: Tensor) -> Tensor:
        """Light on the sensor, (H, W, 3) linear, with the motion blur of head and room."""
        rotation = torch.from_numpy(staging.performance.rotation[index])[None]
        translation = torch.from_numpy(staging.performance.translation[index])[None]
        placed = transform(mesh[None].double(), rotation, translation)[0].float()
        height, width = self._settings.clip_height, self._settings.clip_width
        texture = self._scene.texture(staging.performance, index, self._texture_size)
        light = self.light_at(index).turned(torch.from_numpy(staging.camera_rotation[index].T).float())
        normals = self._scene.normals(placed)
        layer = self._scene.renderer.render(placed, normals, self._intrinsics, height, width, texture, light)
        room = translate(self._room, *staging.background_px[index])
        room = room[MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width]
        place = torch.from_numpy(staging.body[index]).float()
        picture = blur_layer(layer, staging.blur_px[index]).over(self._torso.behind(room, place))
        return self._torso.before(picture, place)


def room_light(settings: StudioSettings) -> RoomLight:
    """The clips' light, in the room's axes."""
    return RoomLight(
        direction=light_direction(settings.key_azimuth_deg, settings.key_elevation_deg),
        up=UP,
        key=torch.tensor(list(settings.key_colour)),
        above=torch.tensor(list(settings.ambient_above)),
        below=torch.tensor(list(settings.ambient_below)),
    )


def blur_layer(layer: Layer, path_px: Array) -> Layer:
    """Motion blur of a head that moves along ``path_px`` (x, y) while the shutter is open."""
    border = math.ceil(0.5 * float(np.abs(path_px).max())) + 1
    picture = torch.cat([layer.colour, layer.coverage], dim=2)
    blurred = motion_blur(pad(picture, (0, 0, border, border, border, border)), path_px)
    return Layer(blurred[..., :3], blurred[..., 3:], layer.left - border, layer.top - border)


def head_box(vertices: NDArray[np.float32], performance: Performance, settings: StudioSettings) -> Array:
    """Smallest and largest pixel x, y that a clip's meshes reach: (T, N, 3) -> (4,) left, top, right, bottom."""
    rotation, translation = torch.from_numpy(performance.rotation), torch.from_numpy(performance.translation)
    placed = transform(torch.from_numpy(vertices).double(), rotation, translation)
    pixels = project(placed, clip_intrinsics(settings).double().expand(len(placed), 3, 3)).numpy()
    return np.concatenate([pixels.min((0, 1)), pixels.max((0, 1))])
