"""Which texels of a head are seen from where: worked out once a model, so that no frame has to be rasterised.

The mean mesh is looked at from a grid of directions; a frame takes the answer of the nearest. Expressions
move what hides what by a few texels, which is what the evidence's erosion leaves out.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.texture_space import TexelMap, erode, visibility
from steadyface.networks.face_model import FaceModel
from steadyface.types import SubjectStatistics

TEXELS = 64
"""Side of the texture that evidence is looked for in, at most: about a pixel of a usual crop to a texel."""

_DISTANCE_MM, _SIDE_PX, _FOCAL_PX = 900.0, 128, 320.0  # a camera that has any head in its picture
_YAWS_DEG, _PITCHES_DEG = range(-75, 76, 15), range(-45, 46, 15)


class FrontTexels(NamedTuple):
    """direction (V, 3), unit, head -> camera, head frame; seen (V, U * U) 0 or 1, eroded by a texel;
    texel_map, of U texels; region (R, U * U) 0 or 1, which texels belong to ``names``."""

    direction: Tensor
    seen: Tensor
    texel_map: TexelMap
    region: Tensor
    names: tuple[str, ...]

    def mask(self, view: Tensor) -> Tensor:
        """Texels seen from unit directions (B, 3): (B, 1, U, U)."""
        size = self.texel_map.size
        return self.seen[(view @ self.direction.t()).argmax(1)].view(-1, 1, size, size)


_KNOWN: WeakKeyDictionary[FaceModel, FrontTexels] = WeakKeyDictionary()


def front_texels_of(face_model: FaceModel, statistics: SubjectStatistics) -> FrontTexels:
    """The table of a face model's subject, on the device of its statistics: made once a model, in about a second."""
    known = _KNOWN.get(face_model)
    if known is None or known.seen.device != statistics.faces.device:
        known = make_front_texels(statistics, min(TEXELS, statistics.texture_size))
        _KNOWN[face_model] = known
    return known


@torch.no_grad()
def make_front_texels(statistics: SubjectStatistics, size: int) -> FrontTexels:
    """Look at the mean mesh from every direction of the grid, over a texture of ``size`` texels."""
    faces, mean = statistics.faces, statistics.vertex_mean
    texel_map = TexelMap.from_topology(faces, statistics.uv, statistics.uv_faces, size)
    direction = _grid().to(mean)
    intrinsics = mean.new_tensor([[_FOCAL_PX, 0, _SIDE_PX / 2], [0, _FOCAL_PX, _SIDE_PX / 2], [0, 0, 1]])[None]
    rotation = _towards_camera(direction)
    translation = mean.new_tensor([[0.0, 0.0, _DISTANCE_MM]])
    seen = []
    for turn in rotation:
        placed = transform(mean[None], turn[None], translation)
        seen.append(erode(visibility(placed, intrinsics, texel_map, _SIDE_PX, _SIDE_PX), 1).flatten())
    names = tuple(statistics.regions)
    region = mean.new_zeros(len(names), size * size)
    for row, name in enumerate(names):
        member = torch.zeros(len(mean), dtype=torch.bool, device=mean.device)
        member[statistics.regions[name]] = True
        region[row, texel_map.index] = member[texel_map.corners].all(1).to(region)
    return FrontTexels(direction, torch.stack(seen), texel_map, region, names)


def _grid() -> Tensor:
    """Unit directions (V, 3) from which a face is seen, the head looking along -z."""
    yaw = torch.deg2rad(torch.tensor([float(y) for y in _YAWS_DEG for _ in _PITCHES_DEG]))
    pitch = torch.deg2rad(torch.tensor([float(p) for _ in _YAWS_DEG for p in _PITCHES_DEG]))
    return torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), -yaw.cos() * pitch.cos()], dim=-1)


def _towards_camera(direction: Tensor) -> Tensor:
    """Rotations (V, 3, 3), head -> camera, under which the camera lies in a direction (V, 3) of the head frame."""
    forward = -direction  # what the camera's z axis is, in the head frame
    down = torch.tensor([0.0, 1.0, 0.0]).to(direction).expand_as(direction)
    right = torch.nn.functional.normalize(torch.linalg.cross(down, forward, dim=-1), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right, dim=-1), forward], dim=1)
