"""The deep appearance model of one subject (Lombardi et al. 2018; Yoon et al. 2019, section 3).

A variational autoencoder: mesh and view-averaged texture -> latent z; z and view direction ->
mesh and view-dependent texture.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from steadyface.networks.blocks import Upsample, convolution_stack
from steadyface.types import SubjectStatistics


@dataclass
class FaceModelSettings:
    """Size of the face model."""

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


class FaceModel(nn.Module):
    """Encoder and decoder, with the subject's statistics as buffers so that one file holds the person.

    Args:
        statistics: topology and normalisation; textures must be a power of two, 16 texels or more.
        settings: sizes.
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
        self._build_encoder(statistics, settings)
        self._build_decoder(statistics, settings)
        self.camera_gain = nn.Parameter(torch.ones(len(statistics.cameras), 3))
        self.camera_bias = nn.Parameter(torch.zeros(len(statistics.cameras), 3))

    def _build_encoder(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        self.encode_mesh = nn.Linear(3 * statistics.vertex_count, settings.latent_size)
        channels = [3, 8, 16, 32, 64]
        self.encode_texture = convolution_stack(channels, residual_from=9)
        side = self.texture_size // 16
        self.encode_joint = nn.Sequential(
            nn.Linear(settings.latent_size + 64 * side * side, settings.hidden), nn.LeakyReLU(0.2)
        )
        self.to_mean = nn.Linear(settings.hidden, settings.latent_size)
        self.to_log_variance = nn.Linear(settings.hidden, settings.latent_size)
        with torch.no_grad():
            self.to_mean.weight.mul_(0.1)
            self.to_log_variance.bias.fill_(-4.0)

    def _build_decoder(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        hidden, width = settings.hidden, settings.texture_width
        self.decode_latent = nn.Sequential(
            nn.Linear(settings.latent_size, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2)
        )
        self.to_components = nn.Linear(hidden, settings.latent_size)
        self.to_mesh = nn.Linear(settings.latent_size, 3 * statistics.vertex_count)
        with torch.no_grad():
            self.to_components.weight.mul_(0.1)
        self.decode_view = nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2))
        steps = (self.texture_size // 16).bit_length() - 1
        channels = [min(64, width * 2 ** (steps - level)) for level in range(steps + 1)]
        self.to_grid = nn.Linear(hidden + 16, channels[0] * 64)
        self.decode_texture = nn.Sequential(*(Upsample(a, b) for a, b in itertools.pairwise(channels)))
        self.to_colour = nn.ConvTranspose2d(channels[-1], 3, 4, stride=2, padding=1)
        # untied bias, one a texel: sharp detail that no convolution has to learn
        self.texture_bias = nn.Parameter(torch.zeros(3, self.texture_size, self.texture_size))

    @torch.no_grad()
    def start_from_principal_components(self, vertices: Tensor) -> None:
        """Give the outer mesh layers the principal components of the lab's meshes, (F, N, 3) mm.

        With the straight paths from mesh to latent to mesh, the untrained model is then the linear
        model of the lab; training adds what is not linear, and the appearance.
        """
        centred = ((vertices - self.vertex_mean) / self.vertex_std).flatten(1)
        _, scale, components = torch.svd_lowrank(centred, q=min(self.settings.latent_size, len(centred)), niter=4)
        rank = components.shape[1]
        deviation = scale / len(centred) ** 0.5
        self.to_mesh.weight.zero_()
        self.to_mesh.weight[:, :rank] = components * deviation
        self.to_mesh.bias.zero_()
        self.encode_mesh.weight.zero_()
        self.encode_mesh.weight[:rank] = (components / deviation.clamp(min=1e-6)).t()
        self.encode_mesh.bias.zero_()

    def encode(self, vertices: Tensor, average_texture: Tensor, average_mask: Tensor) -> Posterior:
        """Mesh (B, N, 3) mm, average texture (B, 3, U, U) linear and its mask -> the latent's posterior."""
        mesh = ((vertices - self.vertex_mean) / self.vertex_std).flatten(1)
        texture = (average_texture - self.texture_mean) / self.texture_std * average_mask
        seen = self.encode_texture(texture).flatten(1)
        code = self.encode_mesh(mesh)
        joint = self.encode_joint(torch.cat([code, seen], dim=-1))
        return Posterior(code + self.to_mean(joint), self.to_log_variance(joint).clamp(-8.0, 4.0))

    def decode_vertices(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) -> mesh (B, N, 3), head frame, mm."""
        offsets = self.to_mesh(latent + self.to_components(self.decode_latent(latent)))
        return offsets.view(len(latent), -1, 3) * self.vertex_std + self.vertex_mean

    def vertex_deviation(self) -> Tensor:
        """How far each vertex moves over the lab, (N,) mm: one deviation of every number in z, to first order."""
        by_latent = (self.to_mesh.weight * self.latent_std).view(-1, 3, len(self.latent_std))
        return by_latent.square().sum((1, 2)).sqrt() * self.vertex_std

    def decode_texture_map(self, latent: Tensor, view_direction: Tensor) -> Tensor:
        """Latent (B, Z) and unit view direction (B, 3), head frame -> texture (B, 3, U, U) linear."""
        view = self.decode_view(view_direction)
        grid = self.to_grid(torch.cat([self.decode_latent(latent), view], dim=-1)).view(len(latent), -1, 8, 8)
        detail = self.to_colour(self.decode_texture(grid)) + self.texture_bias
        return detail * self.texture_std + self.texture_mean

    def decode(self, latent: Tensor, view_direction: Tensor) -> tuple[Tensor, Tensor]:
        """Latent (B, Z) and unit view direction (B, 3) -> vertices (B, N, 3) mm, texture (B, 3, U, U)."""
        return self.decode_vertices(latent), self.decode_texture_map(latent, view_direction)

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
