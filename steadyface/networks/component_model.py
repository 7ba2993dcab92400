"""The small face model: its mesh starts as the principal components of the lab's meshes."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from steadyface.networks.blocks import Upsample, convolution_stack
from steadyface.networks.face_model import FaceModel, FaceModelSettings, Posterior
from steadyface.networks.precision import convolve
from steadyface.types import SubjectStatistics

STRAIGHT = ("encode_mesh.bias", "encode_mesh.weight", "to_mesh.bias", "to_mesh.weight")
"""The parameters of the straight paths from mesh to latent to mesh."""


class ComponentFaceModel(FaceModel):
    """Straight paths between mesh and latent, and small networks beside them for what is not linear.

    Args:
        statistics: topology and normalisation; textures must be a power of two, 16 texels or more.
        settings: sizes.
    """

    def _build(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        self._build_encoder(statistics, settings)
        self._build_decoder(statistics, settings)

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
    def start_from_lab(self, meshes: Tensor) -> None:
        """Give the outer mesh layers the principal components of the lab's meshes, (F, N, 3) mm.

        With the straight paths from mesh to latent to mesh, the untrained model is then the linear
        model of the lab; training adds what is not linear, and the appearance.
        """
        centred = ((meshes - self.vertex_mean) / self.vertex_std).flatten(1)
        _, scale, components = torch.svd_lowrank(centred, q=min(self.settings.latent_size, len(centred)), niter=4)
        rank = components.shape[1]
        deviation = scale / len(centred) ** 0.5
        self.to_mesh.weight.zero_()
        self.to_mesh.weight[:, :rank] = components * deviation
        self.to_mesh.bias.zero_()
        self.encode_mesh.weight.zero_()
        self.encode_mesh.weight[:rank] = (components / deviation.clamp(min=1e-6)).t()
        self.encode_mesh.bias.zero_()

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """All parameters at the learning rate, those of the straight paths at a fiftieth of it."""
        named = dict(self.named_parameters())
        return [
            {"params": [named[name] for name in named if name not in STRAIGHT], "lr": learning_rate},
            # a million weights that start right: moved gently, or a few hundred meshes are learned by heart
            {"params": [named[name] for name in STRAIGHT], "lr": 0.02 * learning_rate},
        ]

    def encode(self, vertices: Tensor, average_texture: Tensor, average_mask: Tensor) -> Posterior:
        """Mesh (B, N, 3) mm, average texture (B, 3, U, U) linear and its mask -> the latent's posterior."""
        mesh, texture = self.normalise(vertices, average_texture, average_mask)
        seen = convolve(self.encode_texture, texture).flatten(1)
        code = self.encode_mesh(mesh)
        joint = self.encode_joint(torch.cat([code, seen], dim=-1))
        return Posterior(code + self.to_mean(joint), self.to_log_variance(joint).clamp(-8.0, 4.0))

    def decode_vertices(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) -> mesh (B, N, 3), head frame, mm."""
        offsets = self.to_mesh(latent + self.to_components(self.decode_latent(latent)))
        return offsets.view(len(latent), -1, 3) * self.vertex_std + self.vertex_mean

    def vertex_deviation(self) -> Tensor:
        """As ``FaceModel.vertex_deviation``, of the straight path alone: the start, which training moves little."""
        by_latent = (self.to_mesh.weight * self.latent_std).view(-1, 3, len(self.latent_std))
        return by_latent.square().sum((1, 2)).sqrt() * self.vertex_std

    def decode_texture_map(self, latent: Tensor, view_direction: Tensor) -> Tensor:
        """Latent (B, Z) and unit view direction (B, 3), head frame -> texture (B, 3, U, U) linear."""
        view = self.decode_view(view_direction)
        grid = self.to_grid(torch.cat([self.decode_latent(latent), view], dim=-1)).view(len(latent), -1, 8, 8)
        detail = convolve(self.to_colour, convolve(self.decode_texture, grid)) + self.texture_bias
        return detail * self.texture_std + self.texture_mean
