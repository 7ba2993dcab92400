"""What every worker of the studio holds: the person, and how a head of theirs is drawn."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from steadyface.geometry.normals import vertex_normals
from steadyface.studio.lighting import ambient_occlusion
from steadyface.studio.motion import Performance
from steadyface.studio.shading import HeadRenderer
from steadyface.studio.subject import Subject


class Scene:
    """A subject with its renderer.

    Attributes:
        subject: the person.
        rest: (N, 3) vertices of the face at rest, head frame, mm.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.rest = subject.vertices(torch.zeros(1, len(subject.expression_names)))[0]
        self._sheen: dict[int, Tensor] = {}

    @cached_property
    def renderer(self) -> HeadRenderer:
        """Draws the person's mesh; made when first asked for, since the occlusion takes a second."""
        subject = self.subject
        occlusion = ambient_occlusion(self.rest, self.normals(self.rest), subject.faces)
        lids = subject.regions["lids"]
        left = self.rest[lids, 0] > 0.0
        openings = [subject.regions["lips"], lids[left], lids[~left]]  # one box an eye: what lies between is closed
        return HeadRenderer(subject.faces, subject.uv, subject.uv_faces, occlusion, openings)

    def mesh(self, performance: Performance, frame: int) -> Tensor:
        """(N, 3) vertices of a frame, head frame, mm."""
        return self.subject.vertices(_weights(performance, frame))[0]

    def normals(self, mesh: Tensor) -> Tensor:
        """(N, 3) unit vertex normals of a mesh, in its own axes."""
        return vertex_normals(mesh[None], self.subject.faces)[0]

    def texture(self, performance: Performance, frame: int, size: int) -> Tensor:
        """(4, size, size): linear albedo of a frame and the sheen's strength."""
        if size not in self._sheen:
            self._sheen[size] = self.subject.sheen(size)
        albedo = self.subject.albedo(_weights(performance, frame), size)[0]
        return torch.cat([albedo, self._sheen[size]])


def _weights(performance: Performance, frame: int) -> Tensor:
    return torch.from_numpy(performance.weights[frame]).float()[None]


def texture_size_for(head_px: float) -> int:
    """Texels a side that match a head of so many pixels on the screen, a power of two.

    >>> texture_size_for(160), texture_size_for(290)
    (256, 512)
    """
    size = 64
    while size < 1.2 * head_px and size < 1024:
        size *= 2
    return size
