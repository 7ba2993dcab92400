"""Lab views that were never taken: the face model plays other expressions before the lab's cameras.

A capture has thousands of views, and of expressions a few hundred: an encoder that sees them for long knows them by
heart. Between and beside them lie others, which the face model can draw under the poses of the capture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from steadyface.geometry.cameras import transform
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import interpolate
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.overlay import render_texture
from steadyface.tracking.replay import SUPERSAMPLED, keep_near, supersample
from steadyface.types import LabBatch, SubjectStatistics

LEAST_COVER = 0.25
"""Share of a pixel that the face covers, from which its colour is known well."""


class DrawnView(NamedTuple):
    """A face before nothing: image (3, S, S) linear, silhouette (1, S, S) the share of each pixel that it covers,
    normal (3, S, S) outward, camera frame, unit where it covers any."""

    image: Tensor
    silhouette: Tensor
    normal: Tensor


class LabReplayer:
    """Plays other expressions in the views of a lab capture.

    Args:
        statistics: of the subject.
        face_model: its frozen face model.
        lab_latents: (F, Z), what the lab saw the face do.
    """

    def __init__(self, statistics: SubjectStatistics, face_model: FaceModel, lab_latents: Tensor) -> None:
        self.statistics, self.face_model, self.lab_latents = statistics, face_model, lab_latents

    @torch.no_grad()
    def replay(self, batch: LabBatch) -> tuple[LabBatch, Tensor]:
        """The same cameras and poses, other expressions: the views, lit as the lab is, and their latents (B, Z).

        The textures that a batch holds beside its pictures stay those of the capture. Draws from torch's global
        generator.
        """
        own = self.face_model.encode(batch.vertices, batch.average_texture, batch.average_mask).mean
        latent = self._draw_latents(own)
        vertices, textures = self.face_model.decode(latent, self.face_model.clamp_view(batch.view_direction))
        placed, size = transform(vertices, batch.rotation, batch.translation), batch.image.shape[-1]
        drawn = [
            draw_view(there, texture, intrinsics, size, self.statistics)
            for there, texture, intrinsics in zip(placed, textures, batch.intrinsics, strict=True)
        ]
        image, silhouette, normal = (torch.stack(part) for part in zip(*drawn, strict=True))
        return batch._replace(image=image, silhouette=silhouette, normal=normal, vertices=vertices), latent

    def _draw_latents(self, own: Tensor) -> Tensor:
        """Half of them half way to another of the lab's, half changed by the difference of two of the lab's."""
        lab, count = self.lab_latents.to(own.device), len(own)
        one, other = (torch.randint(0, len(lab), (count,)) for _ in range(2))
        between = (torch.rand(count, 1) < 0.5).to(own.device)
        return keep_near(self.face_model, torch.where(between, 0.5 * (own + lab[one]), own + lab[one] - lab[other]))


def draw_view(
    vertices_camera: Tensor, texture: Tensor, intrinsics: Tensor, size: int, topology: SubjectStatistics
) -> DrawnView:
    """What a lab view holds of a mesh, with smooth edges.

    Args:
        vertices_camera: (N, 3) mm.
        texture: (3, U, U) linear.
        intrinsics: (3, 3) of the picture.
        size: its side, pixels.
        topology: the subject's.
    """
    covered, listed = supersample(vertices_camera, topology.faces, intrinsics, size)
    corners = vertex_normals(vertices_camera[None], topology.faces)[0][topology.faces]
    normal = interpolate(listed, corners)[0, 0].t()
    colour = render_texture(listed, topology, texture)[0, :, 0]
    finer = texture.new_zeros(7, (size * SUPERSAMPLED) ** 2)
    finer[:, covered] = torch.cat([colour, torch.ones_like(colour[:1]), normal.to(colour.dtype)])
    mean = avg_pool2d(finer.view(1, 7, size * SUPERSAMPLED, size * SUPERSAMPLED), SUPERSAMPLED)[0]
    cover = mean[3:4]
    return DrawnView(mean[:3] / cover.clamp(min=LEAST_COVER), cover, normalize(mean[4:], dim=0))
