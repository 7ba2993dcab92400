"""Light at the vertices of a set of meshes by ray tracing: what of the environment each sees, and one bounce.

A ray runs from every vertex towards every light in front of it. Where it gets out, the light arrives; where it hits
a triangle, what that triangle reflects arrives from there instead. The rays are traced by Embree (package embreex).
Sources: M. Oren and S. Nayar, Generalization of Lambert's Reflectance Model (1994), its qualitative form;
H. Jensen et al., A Practical Model for Subsurface Light Transport (2001), of which only the blur of the light
over the skin is kept, widest in red.
"""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from torch import Tensor

from steadyface.errors import InputError
from steadyface.studio.other_world.environment import LUMINANCE, Lights

SKIN_SIGMA_RAD = 0.45
"""Oren and Nayar's roughness: deviation of the slopes of the facets."""
_OFF_SURFACE_MM = 0.35
_BLUR_STEPS, _BLUR_SHARE = 4, (0.75, 0.4, 0.25)  # rings of vertices, and how much of the light goes there


class RayLight:
    """Traces light for meshes whose triangles stay the same.

    Args:
        faces: (F, 3) long of all meshes together; reflected: (F, 3) albedo of each triangle, linear.
        translucent: (N,) 1 where light spreads under the surface, 0 where it does not.

    Raises:
        InputError: embreex is not installed.
    """

    def __init__(self, faces: Tensor, reflected: Tensor, translucent: Tensor) -> None:
        if find_spec("embreex") is None:
            raise InputError("embreex", "the ray tracer of the other world", "not installed", "pip install embreex")
        self._faces, self._reflected = faces, reflected
        self._face_list = np.ascontiguousarray(faces.numpy().astype(np.int32))
        self._spread = _neighbours(faces.numpy(), len(translucent))
        self._translucent = translucent[:, None]

    def trace(
        self, vertices: Tensor, normals: Tensor, eye: Tensor, lights: Lights, before: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Light at each vertex.

        Args:
            vertices: (N, 3) mm, in the lights' axes; normals: (N, 3) unit; eye: (3,) where it is seen from.
            before: (N, 3) irradiance an instant earlier, which the bounce is taken from; None = traced first.

        Returns:
            irradiance (N, 3), such that albedo / pi times it is the radiance towards the eye, and the share of the
            environment's light that is not shaded, (N, 1).
        """
        cosine = normals @ lights.direction.T
        vertex, light = np.nonzero(cosine.numpy() > 0.0)
        hit = self._first_hits(vertices, normals, lights.direction, vertex, light)
        received = cosine.clamp(min=0.0) * oren_nayar(normals, cosine, lights.direction, eye - vertices)
        blocked = torch.zeros_like(cosine, dtype=torch.bool)
        met = hit >= 0
        blocked[vertex[met], light[met]] = True
        direct = received.masked_fill(blocked, 0.0) @ lights.energy
        whole = received @ lights.energy
        open_share = ((direct @ LUMINANCE) / (whole @ LUMINANCE).clamp(min=1e-9)).unsqueeze(1)
        bounced = self._bounced(before if before is not None else direct, received, lights, vertex, light, hit)
        return self._under_skin(direct + bounced), open_share

    def _first_hits(
        self, vertices: Tensor, normals: Tensor, direction: Tensor, vertex: NDArray[np.intp], light: NDArray[np.intp]
    ) -> NDArray[np.int32]:
        """The triangle that each ray meets first, -1 = none: (R,)."""
        from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
        from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]

        scene = EmbreeScene()
        TriangleMesh(scene, np.ascontiguousarray(vertices.numpy(), dtype=np.float32), self._face_list)
        start = (vertices + _OFF_SURFACE_MM * normals).numpy().astype(np.float32)
        hits: NDArray[np.int32] = scene.run(start[vertex], direction.numpy().astype(np.float32)[light])
        return hits

    def _bounced(
        self,
        arriving: Tensor,
        received: Tensor,
        lights: Lights,
        vertex: NDArray[np.intp],
        light: NDArray[np.intp],
        hit: NDArray[np.int32],
    ) -> Tensor:
        """Light by way of the triangles that rays met: (N, 3)."""
        sent = self._reflected * arriving[self._faces].mean(1) / math.pi
        met = hit >= 0
        at, way = torch.from_numpy(vertex[met]), torch.from_numpy(light[met])
        share = received[at, way] * lights.solid_angle[way]
        return torch.zeros_like(arriving).index_add(0, at, share[:, None] * sent[torch.from_numpy(hit[met]).long()])

    def _under_skin(self, irradiance: Tensor) -> Tensor:
        """The light after it spread under the surface, further in red."""
        share = torch.tensor(_BLUR_SHARE) * self._translucent
        for _ in range(_BLUR_STEPS):
            around = torch.from_numpy((self._spread @ irradiance.numpy()).astype(np.float32))
            irradiance = irradiance + share * (around - irradiance)
        return irradiance


def oren_nayar(normals: Tensor, cosine: Tensor, direction: Tensor, to_eye: Tensor) -> Tensor:
    """Reflection over Lambert's, of N vertices under D lights: (N, 3), (N, D), (D, 3), (N, 3) -> (N, D)."""
    square = SKIN_SIGMA_RAD**2
    even, uneven = 1.0 - 0.5 * square / (square + 0.33), 0.45 * square / (square + 0.09)
    view = to_eye / to_eye.norm(dim=1, keepdim=True)
    facing = (normals * view).sum(1, keepdim=True).clamp(-1.0, 1.0)
    # cosine of the angle between light and eye around the normal, times both sines
    around = view @ direction.T - facing * cosine
    larger = torch.maximum(cosine, facing).clamp(min=0.1)  # sin a tan b = sin sin / the larger cosine
    return even + uneven * around.clamp(min=0.0) / larger


def _neighbours(faces: NDArray[np.int64], count: int) -> csr_matrix:
    """(N, N) that takes values at vertices to the mean of their neighbours'."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    joined = csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    degree = np.asarray(joined.sum(1)).ravel()
    return csr_matrix(diags(1.0 / np.maximum(degree, 1.0)) @ joined)
