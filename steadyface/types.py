"""The types in which the rooms meet: states, batches, and the fixed facts of a subject.

Units and axes, everywhere: mm, radians, seconds; OpenCV camera axes (x right, y down, z forward);
pixel centres lie at integer coordinates, so the top-left pixel's centre is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class FaceState(NamedTuple):
    """What a tracker says of B frames: the expression's latent and the head pose.

    Shapes: latent (B, Z); rotation (B, 3, 3) and translation (B, 3) in mm take a point of the
    head frame to the camera frame: ``x_camera = rotation @ x_head + translation``.
    """

    latent: Tensor
    rotation: Tensor
    translation: Tensor


class LabBatch(NamedTuple):
    """B views of a lab capture, cropped to S x S pixels, with textures of U x U texels.

    Colours are linear RGB in [0, 1]. Head poses and vertices are canonical: the rigid motion that
    stabilisation noise left in the meshes has been moved into the pose.
    """

    image: Tensor  # (B, 3, S, S) linear
    silhouette: Tensor  # (B, 1, S, S) 1 where the tracked mesh covers the pixel
    normal: Tensor  # (B, 3, S, S) outward normals of the tracked mesh, camera frame, near unit; 0 beside it
    intrinsics: Tensor  # (B, 3, 3) of the crop, in its pixels
    rotation: Tensor  # (B, 3, 3) head -> camera
    translation: Tensor  # (B, 3) head -> camera, mm
    vertices: Tensor  # (B, N, 3) head frame, mm
    average_texture: Tensor  # (B, 3, U, U) linear, mean over the cameras of the instant
    average_mask: Tensor  # (B, 1, U, U) 1 where a camera saw the texel
    texture: Tensor  # (B, 3, U, U) linear, as this camera saw it
    texture_mask: Tensor  # (B, 1, U, U)
    view_direction: Tensor  # (B, 3) unit, head origin -> camera centre, head frame
    camera: Tensor  # (B,) long, index into SubjectStatistics.cameras
    frame: Tensor  # (B,) long, index of the instant, shared by its cameras


class ClipBatch(NamedTuple):
    """B windows of T frames of phone clips, cropped to S x S pixels. Colours are sRGB in [0, 1]."""

    image: Tensor  # (B, T, 3, S, S) srgb
    intrinsics: Tensor  # (B, T, 3, 3) of the crop, in its pixels
    time_s: Tensor  # (B, T) presentation time stamps
    clip: Tensor  # (B,) long, index of the clip
    frame: Tensor  # (B, T) long, index of the frame in its clip


@dataclass(frozen=True)
class SubjectStatistics:
    """What is fixed for one subject: topology, normalisation, named vertex regions, cameras.

    ``uv`` lies in [0, 1]. In memory, row r and column c of a texture of U texels lie at
    ``u = (c + 0.5) / U, v = (r + 0.5) / U``: rows grow with v. Image files run the other way
    (row 0 is v = 1), so readers and writers flip, and so must whoever shows a texture.
    """

    faces: Tensor  # (F, 3) long, vertex indices
    uv: Tensor  # (M, 2)
    uv_faces: Tensor  # (F, 3) long, indices into uv
    vertex_mean: Tensor  # (N, 3) mm
    vertex_std: float  # mm, one number
    texture_mean: Tensor  # (3, U, U) linear [0, 1]
    texture_std: float  # one number, of values in [0, 1]
    rigid_vertices: Tensor  # (K,) long: forehead and nose bridge, or what was found to be rigid
    regions: dict[str, Tensor]  # name -> (n,) long; may be empty
    cameras: tuple[str, ...]

    @property
    def texture_size(self) -> int:
        return int(self.texture_mean.shape[-1])

    @property
    def vertex_count(self) -> int:
        return int(self.vertex_mean.shape[0])


def to_device(statistics: SubjectStatistics, device: torch.device) -> SubjectStatistics:
    """The same statistics with every tensor on ``device``."""
    moved = {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in vars(statistics).items()
    }
    moved["regions"] = {name: index.to(device) for name, index in statistics.regions.items()}
    return SubjectStatistics(**moved)  # type: ignore[arg-type]
