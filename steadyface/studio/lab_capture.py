"""Films the lab session and writes it in the Multiface layout, a few frames at a time.

Images are linear. A tracked mesh is a little off, rigidly, and its head pose takes that back:
``R v + t`` are the true vertices in the world whatever the error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.krt import write_krt
from steadyface.capture.multiface import (
    CaptureLayout,
    CaptureStatistics,
    FrameId,
    write_frame_list,
    write_image_png,
    write_mesh_bin,
    write_regions,
    write_statistics,
    write_texture,
    write_transform,
)
from steadyface.capture.named_shapes import NamedShapes, write_named_shapes
from steadyface.capture.obj import ObjMesh, write_obj
from steadyface.geometry.cameras import transform
from steadyface.geometry.texture_space import TexelMap, unwrap, visibility
from steadyface.studio.lab_cameras import HEAD_SHARE, camera_gains, cameras_in_turn, lab_cameras
from steadyface.studio.lighting import UP, DomeLight
from steadyface.studio.motion import Array, Performance, rotation_from_angles
from steadyface.studio.range_of_motion import LabSegment, lab_session
from steadyface.studio.scene import Scene, texture_size_for
from steadyface.studio.settings import StudioSettings

BACKGROUND = 0.012
"""Linear grey behind the head."""

GREATEST_ANGLE_DEG = 75.0
"""Texels turned further away from a camera count as unseen."""

_FRAMES_A_TASK = 15


class LabTask(NamedTuple):
    """Consecutive frames of one segment; the first of a segment also writes the OBJ."""

    segment: str
    first_frame: int
    performance: Performance
    writes_obj: bool


@dataclass
class LabSums:
    """What the means and variances of a capture are made of, added up over tasks in their order.

    Texture sums are exact integers; shapes: texture (U, U, 3), seen (U, U, 1), vertices (N, 3).
    """

    frames: int
    texture: NDArray[np.int64]
    texture_squares: int
    seen: NDArray[np.int64]
    vertices: Array
    vertex_squares: float

    @classmethod
    def empty(cls, texture_size: int, vertex_count: int) -> LabSums:
        """Sums over nothing."""
        square = (texture_size, texture_size)
        return cls(
            0, np.zeros((*square, 3), np.int64), 0, np.zeros((*square, 1), np.int64), np.zeros((vertex_count, 3)), 0.0
        )

    def add_frame(self, vertices: Array, average: NDArray[np.uint8]) -> None:
        """Counts one frame's tracked vertices (N, 3) and average texture (U, U, 3), 0 = unseen."""
        wide = average.astype(np.int64)
        self.frames += 1
        self.texture += wide
        self.texture_squares += int((wide**2).sum())
        self.seen += average.any(axis=2, keepdims=True)
        self.vertices += vertices
        self.vertex_squares += float((vertices**2).sum())

    def add(self, other: LabSums) -> None:
        """Counts another task's frames."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def statistics(self) -> CaptureStatistics:
        """Means, and the one variance of textures (over seen texels) and of vertices."""
        mean = self.texture / np.maximum(self.seen, 1)
        texture_variance = (self.texture_squares - float((mean**2 * self.seen).sum())) / max(
            3 * int(self.seen.sum()), 1
        )
        vertex_mean = self.vertices / self.frames
        vertex_variance = (self.vertex_squares / self.frames - float((vertex_mean**2).sum())) / vertex_mean.size
        rounded = np.round(mean).astype(np.uint8)
        # a capture of one frame has no variance, and the layout wants a positive one
        return CaptureStatistics(
            rounded, max(texture_variance, 1.0), vertex_mean.astype(np.float32), max(vertex_variance, 1e-6)
        )


def lab_tasks(names: Iterable[str], settings: StudioSettings) -> tuple[list[LabTask], list[FrameId]]:
    """The session cut into tasks, always in the same way, and the list of its frames."""
    session = lab_session(list(names), settings.lab_frames, settings.fps, settings.identity_seed)
    tasks = [task for segment in session for task in _cut(segment)]
    return tasks, [frame_id(segment.name, frame) for segment in session for frame in segment.frames]


def _cut(segment: LabSegment) -> list[LabTask]:
    starts = range(0, len(segment.frames), _FRAMES_A_TASK)
    return [
        LabTask(
            segment.name,
            segment.frames[start],
            segment.performance.slice(start, start + _FRAMES_A_TASK),
            start == 0,
        )
        for start in starts
    ]


def frame_id(segment: str, frame: int) -> FrameId:
    """An instant's name: the frame's number has six digits.

    >>> frame_id("EXP_jaw001", 42)
    FrameId(segment='EXP_jaw001', frame='000042')
    """
    return FrameId(segment, f"{frame:06d}")


class LabStage:
    """The lab: dome, cameras and the writer of one capture. One in each worker.

    Args:
        scene: the person and how they are drawn.
        settings: sizes, cameras, stabilisation error.
        root: the capture's folder.
    """

    def __init__(self, scene: Scene, settings: StudioSettings, root: Path) -> None:
        self._scene, self._settings, self._layout = scene, settings, CaptureLayout(root)
        subject = scene.subject
        height_mm = float(scene.rest[:, 1].amax() - scene.rest[:, 1].amin())
        size = (settings.lab_image_height, settings.lab_image_width)
        self.cameras = lab_cameras(settings.cameras, *size, height_mm)
        self._gains = torch.from_numpy(camera_gains(settings.cameras))
        self._texture_size = texture_size_for(HEAD_SHARE * settings.lab_image_height)
        self._texels = TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, settings.texture_size)

    @property
    def expression_names(self) -> tuple[str, ...]:
        """The shapes that a performance weighs."""
        return tuple(self._scene.subject.expression_names)

    @property
    def vertex_count(self) -> int:
        """Vertices of the mesh."""
        return len(self._scene.rest)

    def record(self, task: LabTask) -> LabSums:
        """Films and writes the task's frames."""
        sums = LabSums.empty(self._settings.texture_size, len(self._scene.rest))
        for index in range(len(task.performance.time_s)):
            self._record_frame(task, index, sums)
        return sums

    def finish(self, instants: Iterable[FrameId], sums: LabSums) -> None:
        """Writes what belongs to the capture as a whole."""
        subject = self._scene.subject
        write_krt(self._layout.krt, self.cameras)
        write_frame_list(self._layout.frame_list, instants)
        write_statistics(self._layout, sums.statistics())
        write_regions(self._layout.regions, {name: index.tolist() for name, index in subject.regions.items()})
        shapes = NamedShapes(tuple(subject.expression_names), subject.expression_deltas(), self._scene.rest)
        write_named_shapes(self._layout.shapes, shapes)
        facts = {"identity_seed": self._settings.identity_seed, "expression_names": list(subject.expression_names)}
        (self._layout.root / "subject.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def _record_frame(self, task: LabTask, index: int, sums: LabSums) -> None:
        frame = task.first_frame + index
        instant = frame_id(task.segment, frame)
        vertices = self._scene.mesh(task.performance, index)
        rotation = task.performance.rotation[index]
        translation = task.performance.translation[index]
        tracked, tracked_rotation, tracked_translation = self._tracked(vertices, rotation, translation, frame)
        write_mesh_bin(self._layout.mesh_bin(instant), tracked)
        write_transform(self._layout.transform(instant), tracked_rotation, tracked_translation)
        if task.writes_obj and index == 0:
            subject = self._scene.subject
            topology = (subject.uv.double().numpy(), subject.faces.numpy(), subject.uv_faces.numpy())
            write_obj(self._layout.mesh_obj(instant), ObjMesh(tracked.astype(np.float64), *topology))
        world = transform(
            vertices[None].double(), torch.from_numpy(rotation)[None], torch.from_numpy(translation)[None]
        )
        texture = self._scene.texture(task.performance, index, self._texture_size)
        average = self._film(instant, frame, world[0], texture)
        sums.add_frame(tracked.astype(np.float64), average)

    def _tracked(
        self, vertices: Tensor, rotation: Array, translation: Array, frame: int
    ) -> tuple[NDArray[np.float32], Array, Array]:
        """The mesh with its small rigid error, and the head pose that takes it back."""
        rng = np.random.default_rng([self._settings.identity_seed, 505, frame])
        angles = np.radians(self._settings.stabilisation_deg) / math.sqrt(3.0) * rng.standard_normal(3)
        shift = self._settings.stabilisation_mm / math.sqrt(3.0) * rng.standard_normal(3)
        error = rotation_from_angles(*angles)
        tracked = (vertices.double().numpy() @ error.T + shift).astype(np.float32)
        back = rotation @ error.T
        return tracked, back, translation - back @ shift

    def _film(self, instant: FrameId, frame: int, world: Tensor, texture: Tensor) -> NDArray[np.uint8]:
        """Writes the images and textures of the cameras whose turn it is; returns the average texture."""
        chosen = cameras_in_turn(frame, len(self.cameras), self._settings.cameras_per_frame)
        cameras = [self.cameras[index] for index in chosen]
        rotation = torch.from_numpy(np.stack([camera.rotation for camera in cameras]))
        translation = torch.from_numpy(np.stack([camera.translation for camera in cameras]))
        placed = transform(world.expand(len(cameras), -1, -1), rotation, translation).float()
        intrinsics = torch.from_numpy(np.stack([camera.intrinsics for camera in cameras])).float()
        ups = rotation.float() @ UP
        normals = self._scene.normals(world.float()) @ rotation.float().transpose(1, 2)
        images = [
            self._shoot(
                placed[view], normals[view], intrinsics[view], DomeLight(ups[view]), texture, self._gains[index]
            )
            for view, index in enumerate(chosen)
        ]
        unwrapped = self._unwrap(images, placed, normals, intrinsics)
        for camera, image, view in zip(cameras, images, unwrapped, strict=True):
            write_image_png(self._layout.image(instant, camera.name), image)
            write_texture(self._layout.texture(instant, camera.name), view)
        average = average_texture(unwrapped)
        write_texture(self._layout.average(instant), average)
        return average

    def _shoot(
        self, placed: Tensor, normals: Tensor, intrinsics: Tensor, dome: DomeLight, texture: Tensor, gain: Tensor
    ) -> NDArray[np.uint8]:
        """One camera's linear image (H, W, 3)."""
        height, width = self._settings.lab_image_height, self._settings.lab_image_width
        layer = self._scene.renderer.render(placed, normals, intrinsics, height, width, texture, dome)
        return _to_bytes(layer.over(torch.full((height, width, 3), BACKGROUND)) * gain)

    def _unwrap(
        self, images: list[NDArray[np.uint8]], placed: Tensor, normals: Tensor, intrinsics: Tensor
    ) -> list[NDArray[np.uint8]]:
        """The textures (U, U, 3) as the written images show them."""
        planes = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255.0
        unwrapped = unwrap(planes, placed, intrinsics, self._texels)
        angle = math.radians(GREATEST_ANGLE_DEG)
        height, width = planes.shape[-2:]
        views = zip(placed, intrinsics, strict=True)
        buffer = torch.stack([self._scene.renderer.depth(*view, height, width) for view in views])
        seen = visibility(placed, intrinsics, self._texels, height, width, angle, normals=normals, buffer=buffer)
        seen = seen * unwrapped.in_frame
        return [seen_to_bytes(*pair) for pair in zip(unwrapped.texture, seen, strict=True)]


def seen_to_bytes(texture: Tensor, seen: Tensor) -> NDArray[np.uint8]:
    """Texture (3, U, U) and mask (1, U, U) -> (U, U, 3) uint8, where 0 says unseen and black is 1."""
    values = _to_bytes(texture.permute(1, 2, 0))
    return np.maximum(values, 1) * (seen[0, :, :, None].numpy() > 0.5).astype(np.uint8)


def average_texture(views: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Mean over the views that saw a texel, each (U, U, 3) with 0 = unseen."""
    stack = np.stack(views).astype(np.float64)
    seen = stack.any(axis=3, keepdims=True).sum(0)
    return np.round(stack.sum(0) / np.maximum(seen, 1)).astype(np.uint8)


def _to_bytes(linear: Tensor) -> NDArray[np.uint8]:
    return (linear.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).numpy()
