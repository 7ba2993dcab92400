"""The mesh drawn into each view of a lab capture: silhouettes and normals, kept on disk from start to start.

Drawing takes most of the time of reading a capture and gives the same bytes every time. The drawings' file is
named by a hash of everything that they are made of (the views' meshes, poses and crops, the code), so a changed
capture or setting asks for another file: nothing in the cache can be out of date.
"""

from __future__ import annotations

import hashlib
import logging
import platform
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.lab_disk_cache import LIMIT_BYTES, cache_folder, read_arrays, write_arrays
from steadyface.geometry import cameras, normals, rasterizer, screen_triangles

if TYPE_CHECKING:
    from datamodules.lab_pixels import ViewPlan

logger = logging.getLogger(__name__)

LAYOUT = "drawings 1"
"""Raised where the layout of the file changes."""

_CODE = tuple(Path(str(module.__file__)) for module in (cameras, normals, rasterizer, screen_triangles))


class Drawings(NamedTuple):
    """V views: silhouette (V, S, S) bool; normal (V, S, S, 3) int8, camera frame, 127 = 1, 0 outside."""

    silhouette: Tensor
    normal: Tensor


def draw_view(plan: ViewPlan, faces: Tensor, size: int, view: int) -> Drawings:
    """One view's mesh, rasterised; without the leading dimension."""
    at = slice(view, view + 1)
    points = cameras.transform(plan.vertices[plan.frame[at]], plan.rotation[at], plan.translation[at])
    seen = rasterizer.rasterize(points, faces, plan.intrinsics[at], size, size)
    corners = normals.vertex_normals(points, faces)[0][faces[seen.triangle[0].clamp(min=0)]]
    normal = (corners * seen.barycentric[0].unsqueeze(-1)).sum(-2)
    return Drawings(seen.triangle[0] >= 0, normal.mul_(127).round_().to(torch.int8))


class DrawingsFile:
    """The file of one set of drawings, in the user's cache folder (`cache_folder`).

    ``path`` names it; None where nothing is kept.

    Args:
        plan: the views.
        faces: (F, 3) long, of the mesh.
        size: side of the crops, pixels.
        limit: bytes that the folder may hold; the files used longest ago make room.
    """

    def __init__(self, plan: ViewPlan, faces: Tensor, size: int, limit: int = LIMIT_BYTES) -> None:
        self._views, self._size, self._limit = len(plan.frame), size, limit
        folder = cache_folder()
        self._key = b"" if folder is None else _key(plan, faces, size)
        self.path = None if folder is None else folder / f"lab-{self._key.hex()}.drawings"

    def read(self) -> Drawings | None:
        """All V views; None where they have not been kept, or not whole."""
        if self.path is None:
            return None
        packed = np.empty((self._views, (self._size**2 + 7) // 8), np.uint8)
        normal = np.empty((self._views, self._size, self._size, 3), np.int8)
        if not read_arrays(self.path, self._key, [packed, normal]):
            return None
        logger.info("silhouettes and normals are taken from %s", self.path)
        silhouette = np.unpackbits(packed, axis=1, count=self._size**2).view(np.bool_)
        return Drawings(torch.from_numpy(silhouette).view(normal.shape[:-1]), torch.from_numpy(normal))

    def write(self, drawings: Drawings) -> None:
        """Keeps them for the next start; where that fails, a warning says so and nothing is left behind."""
        if self.path is not None:
            packed = np.packbits(drawings.silhouette.flatten(1).numpy(), axis=1)
            write_arrays(self.path, self._key, [packed, drawings.normal.numpy()], self._limit)


def _key(plan: ViewPlan, faces: Tensor, size: int) -> bytes:
    """32 bytes of all that decides the drawings, to the last bit of a float."""
    digest = hashlib.blake2b(digest_size=32)
    # another release or another vector unit may round otherwise
    place = (torch.__version__, platform.machine(), torch.backends.cpu.get_cpu_capability())
    digest.update(repr((LAYOUT, size, *place)).encode())
    for path in (Path(__file__), *_CODE):
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    for values in (plan.frame, plan.intrinsics, plan.rotation, plan.translation, plan.vertices, faces):
        array = np.ascontiguousarray(values.numpy())
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(array.data)
    return digest.digest()
