"""The views of a lab capture: their poses, crops and cameras, and where their pixels come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.lab_pixels import LabPixels, PixelsInMemory, PixelsOnDisk, ViewPlan, in_threads
from datamodules.lab_splits import SplitInstant
from steadyface.capture.canonical import CanonicalPoses, canonicalise
from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.krt import Camera
from steadyface.capture.multiface import read_mesh_bin, read_transform
from steadyface.geometry.cameras import crop_intrinsics, project, transform
from steadyface.types import SubjectStatistics

_CHUNK = 16  # views projected at once


class LabViews(NamedTuple):
    """V views of T instants.

    intrinsics (V, 3, 3) of the crop; rotation (V, 3, 3) and translation (V, 3) mm, head -> camera;
    camera (V,) and frame (V,) long; vertices (T, N, 3) mm; pixels, of the views and of the instants'
    average textures.
    """

    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor
    camera: Tensor
    frame: Tensor
    vertices: Tensor
    pixels: LabPixels


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
    in_memory: bool = True,
) -> LabViews:
    """Every view of ``instants``, in order. Raises InputError on the first file at fault.

    Args:
        in_memory: false: pictures and textures are read when a batch asks for them.
    """
    names = [(index, name) for index, instant in enumerate(instants) for name in instant.cameras]
    cameras = [capture.cameras[name] for _, name in names]
    poses = read_poses(capture, instants, statistics, threads)
    plan = _plan(poses, instants, torch.tensor([index for index, _ in names]), cameras, rule)
    pixels: LabPixels
    pixels = PixelsOnDisk(capture, plan, statistics.faces, rule.size, statistics.texture_size, threads)
    if in_memory:
        pixels = PixelsInMemory(pixels, len(names), len(instants), threads)
    return LabViews(
        intrinsics=plan.intrinsics,
        rotation=plan.rotation,
        translation=plan.translation,
        camera=torch.tensor([statistics.cameras.index(camera.name) for camera in cameras]),
        frame=plan.frame,
        vertices=plan.vertices,
        pixels=pixels,
    )


def _plan(
    poses: CanonicalPoses, instants: Sequence[SplitInstant], frame: Tensor, cameras: list[Camera], rule: CropRule
) -> ViewPlan:
    """Where each view's head and crop are."""
    rotation, translation = _head_to_camera(cameras, poses.rotation[frame], poses.translation[frame])
    full = torch.from_numpy(np.stack([camera.intrinsics for camera in cameras])).float()
    boxes = _boxes(poses.vertices, frame, rotation, translation, full, rule)
    intrinsics = crop_intrinsics(full, boxes, rule.size)
    return ViewPlan(instants, frame, cameras, boxes, intrinsics, rotation, translation, poses.vertices)


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
    meshes = in_threads(lambda path: read_mesh_bin(path, vertex_count), paths, threads, "lab meshes", "mesh")
    return torch.from_numpy(np.stack(meshes))


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
