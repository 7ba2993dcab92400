"""The views of a lab capture, decoded once, cropped to the head, and kept in memory as bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from datamodules.lab_splits import SplitInstant
from steadyface.capture.canonical import CanonicalPoses, canonicalise
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.crop import crop_image
from steadyface.capture.distortion import undistort
from steadyface.capture.krt import Camera
from steadyface.capture.multiface import (
    AVERAGE,
    FrameId,
    read_image_png,
    read_mesh_bin,
    read_texture,
    read_transform,
)
from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import rasterize
from steadyface.types import SubjectStatistics

Item = TypeVar("Item")
Result = TypeVar("Result")
_CHUNK = 16  # views projected at once


class LabViews(NamedTuple):
    """V views of T instants; bytes, linear. S is the crop's side, U the texture's.

    image (V, S, S, 3) uint8; silhouette (V, S, S) bool; normal (V, S, S, 3) int8, camera frame, 127 = 1;
    texture (V, U, U, 3) uint8; intrinsics (V, 3, 3) of the crop; rotation (V, 3, 3) and translation
    (V, 3) mm, head -> camera; camera (V,) and frame (V,) long; vertices (T, N, 3) mm; average
    (T, U, U, 3) uint8.
    """

    image: Tensor
    silhouette: Tensor
    normal: Tensor
    texture: Tensor
    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor
    camera: Tensor
    frame: Tensor
    vertices: Tensor
    average: Tensor


class CropRule(NamedTuple):
    """How a view is cropped: a square ``scale`` times the projected mesh's larger side, displaced.

    The displacement is drawn once a view, from ``seed``: up to ``jitter`` of the square's side in x
    and y, and up to a factor of ``exp(jitter)`` in size either way.
    """

    size: int
    scale: float
    jitter: float
    seed: int


def read_views(
    capture: MultifaceCapture,
    instants: Sequence[SplitInstant],
    statistics: SubjectStatistics,
    rule: CropRule,
    threads: int,
) -> LabViews:
    """Decodes every view of ``instants``, in order. Raises InputError on the first file at fault."""
    names = [(index, name) for index, instant in enumerate(instants) for name in instant.cameras]
    cameras = [capture.cameras[name] for _, name in names]
    poses = read_poses(capture, instants, statistics, threads)
    views, boxes = _placed(poses, torch.tensor([index for index, _ in names]), cameras, statistics, rule)
    textures = _TextureReader(capture, statistics.texture_size)

    def decode(view: int) -> None:
        index, name = names[view]
        picture = read_image_png(capture.layout.image(instants[index].id, name))
        crop = crop_image(undistort(picture, cameras[view]), boxes[view].tolist(), rule.size)
        views.image[view] = torch.from_numpy(crop)
        views.texture[view] = textures.read(instants[index].id, name)

    def average(index: int) -> None:
        views.average[index] = textures.average(instants[index])

    _in_threads(decode, range(len(names)), threads, "lab views", "view")
    _in_threads(average, range(len(instants)), threads, "lab averages", "frame")
    _draw_meshes(views, statistics.faces, threads)
    return views


def _placed(
    poses: CanonicalPoses,
    frame: Tensor,
    cameras: list[Camera],
    statistics: SubjectStatistics,
    rule: CropRule,
) -> tuple[LabViews, Tensor]:
    """The views with everything but their pixels, which are left to be filled in; and their crop boxes."""
    rotation, translation = _head_to_camera(cameras, poses.rotation[frame], poses.translation[frame])
    full = torch.from_numpy(np.stack([camera.intrinsics for camera in cameras])).float()
    boxes = _boxes(poses.vertices, frame, rotation, translation, full, rule)
    count, side, texels = len(frame), rule.size, statistics.texture_size
    return LabViews(
        image=torch.empty(count, side, side, 3, dtype=torch.uint8),
        silhouette=torch.empty(count, side, side, dtype=torch.bool),
        normal=torch.empty(count, side, side, 3, dtype=torch.int8),
        texture=torch.empty(count, texels, texels, 3, dtype=torch.uint8),
        intrinsics=crop_intrinsics(full, boxes, side),
        rotation=rotation,
        translation=translation,
        camera=torch.tensor([statistics.cameras.index(camera.name) for camera in cameras]),
        frame=frame,
        vertices=poses.vertices,
        average=torch.empty(len(poses.vertices), texels, texels, 3, dtype=torch.uint8),
    ), boxes


def read_poses(
    capture: MultifaceCapture, instants: Sequence[SplitInstant], statistics: SubjectStatistics, threads: int
) -> CanonicalPoses:
    """Canonical meshes (T, N, 3) and head poses, head -> world."""
    meshes = read_meshes(capture, instants, statistics.vertex_count, threads)
    poses = [read_transform(capture.layout.transform(instant.id)) for instant in instants]
    rotation = torch.from_numpy(np.stack([pose[0] for pose in poses]))
    translation = torch.from_numpy(np.stack([pose[1] for pose in poses]))
    return canonicalise(meshes, rotation, translation, statistics.vertex_mean, statistics.rigid_vertices)


def read_meshes(capture: MultifaceCapture, instants: Sequence[SplitInstant], vertex_count: int, threads: int) -> Tensor:
    """The meshes as they are on disk: (T, N, 3) float32, mm."""
    paths = [capture.layout.mesh_bin(instant.id) for instant in instants]
    meshes = _in_threads(lambda path: read_mesh_bin(path, vertex_count), paths, threads, "lab meshes", "mesh")
    return torch.from_numpy(np.stack(meshes))


def shrink_texture(texture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Area mean over the seen texels; a texel less than half seen becomes unseen (0).

    Shapes: (U, U, 3) uint8 -> (size, size, 3) uint8, size <= U.
    """
    values = torch.from_numpy(texture).permute(2, 0, 1).float()
    seen = (values.amax(0, keepdim=True) > 0).float()
    mean, share = (torch.nn.functional.adaptive_avg_pool2d(x, size) for x in (values, seen))
    kept = torch.where(share >= 0.5, mean / share.clamp(min=1e-6), torch.zeros(()))
    return kept.round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()


class _TextureReader:
    """Textures of one capture: all of the mean texture's size on disk, brought to ``size`` texels."""

    def __init__(self, capture: MultifaceCapture, size: int) -> None:
        self._layout, self._size = capture.layout, size
        self._size_on_disk = len(read_texture(capture.layout.texture_mean))

    def read(self, instant: FrameId, camera: str) -> Tensor:
        texture = read_texture(self._layout.texture(instant, camera), self._size_on_disk)
        return torch.from_numpy(texture if len(texture) == self._size else shrink_texture(texture, self._size))

    def average(self, instant: SplitInstant) -> Tensor:
        """The average texture, or the mean of the views where a view saw the texel."""
        if instant.has_average:
            return self.read(instant.id, AVERAGE)
        views = torch.stack([self.read(instant.id, camera) for camera in instant.average_cameras]).float()
        seen = (views.amax(-1, keepdim=True) > 0).float()
        return ((views * seen).sum(0) / seen.sum(0).clamp(min=1)).round().byte()


def _head_to_camera(cameras: list[Camera], rotation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
    """World poses of the head (V, 3, 3), (V, 3) -> poses in each view's camera, float32."""
    turn = torch.from_numpy(np.stack([camera.rotation for camera in cameras]))
    shift = torch.from_numpy(np.stack([camera.translation for camera in cameras]))
    return (turn @ rotation).float(), ((turn @ translation.unsqueeze(-1)).squeeze(-1) + shift).float()


def _boxes(
    vertices: Tensor, frame: Tensor, rotation: Tensor, translation: Tensor, intrinsics: Tensor, rule: CropRule
) -> Tensor:
    """(V, 4) crop boxes in pixels of the whole image."""
    ranges = []
    for view in torch.arange(len(frame)).split(_CHUNK):
        pixels = project(transform(vertices[frame[view]], rotation[view], translation[view]), intrinsics[view])
        ranges.append(torch.cat([pixels.amin(1), pixels.amax(1)], dim=1))
    low, high = torch.cat(ranges).split(2, dim=1)
    draw = torch.rand(len(frame), 3, generator=torch.Generator().manual_seed(rule.seed)) * 2 - 1
    side = (high - low).amax(1, keepdim=True) * rule.scale * (draw[:, 2:] * rule.jitter).exp()
    centre = (low + high) / 2 + 0.5 + draw[:, :2] * rule.jitter * side
    return torch.cat([centre - side / 2, side, side], dim=1)


def _draw_meshes(views: LabViews, faces: Tensor, threads: int) -> None:
    """Fills ``views.silhouette`` and ``views.normal`` by rasterising each view's mesh."""
    size = views.image.shape[1]

    def draw(view: int) -> None:
        at = slice(view, view + 1)
        points = transform(views.vertices[views.frame[at]], views.rotation[at], views.translation[at])
        seen = rasterize(points, faces, views.intrinsics[at], size, size)
        corners = vertex_normals(points, faces)[0][faces[seen.triangle[0].clamp(min=0)]]
        views.silhouette[at] = seen.triangle >= 0
        views.normal[at] = (corners * seen.barycentric[0].unsqueeze(-1)).sum(-2).mul_(127).round_().to(torch.int8)

    _in_threads(draw, range(len(views.frame)), threads, "lab silhouettes and normals", "view")


def _in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], threads: int, label: str, unit: str
) -> list[Result]:
    """Results in order, with rate and time left; the first fault ends it without finishing the rest."""
    executor = ThreadPoolExecutor(threads or os.cpu_count() or 1)
    try:
        results = executor.map(work, items)
        return list(tqdm(results, total=len(items), desc=label, unit=unit, disable=None))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
