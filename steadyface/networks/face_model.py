"""The deep appearance model of one subject (Lombardi et al. 2018; Yoon et al. 2019, section 3).

A variational autoencoder: mesh and view-averaged texture -> latent z; z and view direction ->
mesh and view-dependent texture. Here is what every architecture of it has in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from steadyface.types import SubjectStatistics


@dataclass
class FaceModelSettings:
    """Size of the face model."""

    architecture: str = "components"  # or one of the public Multiface code: base, res, non, bilinear, warp
    latent_size: int = 48  # numbers in z; each starts as one principal component of the lab's meshes
    hidden: int = 128  # width of the fully connected layers
    texture_width: int = 16  # channels of the texture decoder's finest layer


class Posterior(NamedTuple):
    """Gaussian over the latent: mean and log_variance, (B, Z) each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self) -> Tensor:
        """A reparameterised draw, (B, Z)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * torch.randn_like(self.mean)


class FaceModel(nn.Module, ABC):
    """Encoder and decoder, with the subject's statistics as buffers so that one file holds the person.

    An architecture is a subclass that builds its layers in ``_build`` and gives ``encode``,
    ``decode_vertices`` and ``decode_texture_map``; ``face_models`` knows it by name.

    Args:
        statistics: topology and normalisation.
        settings: architecture and sizes.
    """

    vertex_mean: Tensor
    texture_mean: Tensor
    latent_mean: Tensor
    latent_std: Tensor
    view_centre: Tensor
    view_cosine: Tensor

    def __init__(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        super().__init__()
        self.settings, self.texture_size = settings, statistics.texture_size
        self.vertex_std, self.texture_std = statistics.vertex_std, statistics.texture_std
        self.register_buffer("vertex_mean", statistics.vertex_mean.clone(), persistent=False)
        self.register_buffer("texture_mean", statistics.texture_mean.clone(), persistent=False)
        # of z over the lab, and the hull of its view directions: what later stages must stay near
        self.register_buffer("latent_mean", torch.zeros(settings.latent_size))
        self.register_buffer("latent_std", torch.ones(settings.latent_size))
        self.register_buffer("view_centre", torch.tensor([0.0, 0.0, -1.0]))
        self.register_buffer("view_cosine", torch.tensor(-1.0))
        self._build(statistics, settings)
        self.camera_gain = nn.Parameter(torch.ones(len(statistics.cameras), 3))
        self.camera_bias = nn.Parameter(torch.zeros(len(statistics.cameras), 3))

    @abstractmethod
    def _build(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        """Make the layers of encoder and decoder."""

    def start_from_lab(self, meshes: Tensor) -> None:  # noqa: B027: most architectures start from random weights
        """Before training: take from the lab's meshes (F, N, 3) mm what weights can start from; here nothing."""

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Every parameter, in groups for an optimiser with a learning rate each."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    def normalise(self, vertices: Tensor, texture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What an encoder sees, in deviations: mesh (B, 3N), and texture (B, 3, U, U) with unseen texels 0."""
        mesh = ((vertices - self.vertex_mean) / self.vertex_std).flatten(1)
        return mesh, (texture - self.texture_mean) / self.texture_std * mask

    @abstractmethod
    def encode(self, vertices: Tensor, average_texture: Tensor, average_mask: Tensor) -> Posterior:
        """Mesh (B, N, 3) mm, average texture (B, 3, U, U) linear and its mask -> the latent's posterior."""

    @abstractmethod
    def decode_vertices(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) -> mesh (B, N, 3), head frame, mm."""

    @abstractmethod
    def decode_texture_map(self, latent: Tensor, view_direction: Tensor) -> Tensor:
        """Latent (B, Z) and unit view direction (B, 3), head frame -> texture (B, 3, U, U) linear."""

    def decode(self, latent: Tensor, view_direction: Tensor) -> tuple[Tensor, Tensor]:
        """Latent (B, Z) and unit view direction (B, 3) -> vertices (B, N, 3) mm, texture (B, 3, U, U)."""
        return self.decode_vertices(latent), self.decode_texture_map(latent, view_direction)

    @torch.no_grad()
    def vertex_deviation(self) -> Tensor:
        """How far each vertex moves over the lab, (N,) mm: one deviation of every number in z, to first order."""
        by_latent = torch.func.jacfwd(lambda latent: self.decode_vertices(latent[None])[0])(self.latent_mean)
        return (by_latent * self.latent_std).square().sum((1, 2)).sqrt()

    def correct_camera(self, texture: Tensor, camera: Tensor) -> Tensor:
        """Apply each lab camera's gain and bias, camera 0 fixed: texture (B, 3, U, U), camera (B,) long."""
        free = (camera > 0).to(texture.dtype).view(-1, 1)
        gain = 1.0 + (self.camera_gain[camera] - 1.0) * free
        bias = self.camera_bias[camera] * free
        return texture * gain[..., None, None] + bias[..., None, None]

    def clamp_view(self, view_direction: Tensor) -> Tensor:
        """Move unit view directions (B, 3) into the cone of the lab's; the result carries no gradient.

        A view-dependent texture would otherwise explain misregistration away.
        """
        view = view_direction.detach()
        cosine = (view * self.view_centre).sum(-1, keepdim=True)
        sideways = view - cosine * self.view_centre
        # seen from exactly behind, every side is as near: take one
        sideways = torch.where(sideways.norm(dim=-1, keepdim=True) > 1e-6, sideways, perpendicular(self.view_centre))
        sideways = nn.functional.normalize(sideways, dim=-1)
        limit = self.view_cosine.clamp(-1.0, 1.0)
        edge = self.view_centre * limit + sideways * torch.sqrt(1.0 - limit**2)
        return torch.where(cosine < limit, edge, view)

    def whiten(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) in units of the lab's deviation from the lab's mean."""
        return (latent - self.latent_mean) / self.latent_std


def perpendicular(direction: Tensor) -> Tensor:
    """A unit vector across a unit vector (3,), away from the axis that it lies along most."""
    axis = torch.zeros_like(direction)
    axis[direction.abs().argmin()] = 1.0
    return nn.functional.normalize(torch.linalg.cross(direction, axis), dim=-1)
