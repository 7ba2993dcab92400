"""The deep appearance model at its published size, in the five variants of the public Multiface code.

Source: Lombardi et al. 2018; github.com/facebookresearch/multiface, whose released weights
``import-decoder`` brings in. Sizes as published: ``latent_size: 256`` (or 128), ``hidden: 256``,
``texture_width: 16``, textures of 1024 or 512 texels. Smaller textures have fewer blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steadyface.errors import InputError
from steadyface.networks.face_model import FaceModel, FaceModelSettings, Posterior
from steadyface.networks.precision import convolve
from steadyface.networks.texture_blocks import Style, TextureShape, activate, texture_decoder, texture_encoder
from steadyface.networks.texture_warp import TextureWarp
from steadyface.networks.weight_normalised import NormalisedLinear
from steadyface.types import SubjectStatistics

MULTIFACE_VARIANTS: dict[str, Style] = {
    "base": Style(),
    "res": Style(residual=True),
    "non": Style(untied=False),
    # the public name; the texels are repeated, not interpolated
    "bilinear": Style(resized=True),
    "warp": Style(),
}
VIEW_WIDTH = 8
MEAN_SCALE, LOG_DEVIATION_SCALE = 0.1, 0.01
"""Of what the encoder's last layer gives: a fresh encoder starts at the unit Gaussian."""


class MultifaceModel(FaceModel):
    """One weight-normalised network each for texture and mesh, joined at the latent.

    Inputs and outputs of the layers are in deviations of the lab, as in the public training. What
    differs from it: textures are in [0, 1] there and here, but here a texel is unseen where all
    three channels are 0 (there each channel by itself), the squared error is averaged over the seen
    texels (there over all), and the lab's meshes are canonical (there as tracked). The cameras'
    gain and bias act in deviations, not on colours; those of the first calibrated camera are not learned.

    Args:
        statistics: topology and normalisation; textures must be a power of two, 16 texels or more.
        settings: variant and sizes.
    """

    camera_free: Tensor

    def _build(self, statistics: SubjectStatistics, settings: FaceModelSettings) -> None:
        check_texture_size(self.texture_size)
        style, shape = MULTIFACE_VARIANTS[settings.architecture], TextureShape.of(self.texture_size)
        hidden, width, latent = settings.hidden, settings.texture_width, settings.latent_size
        mesh_size, cells = 3 * statistics.vertex_count, shape.grid**2
        self.encode_texture = texture_encoder(shape, width, style.residual)
        self.texture_features = NormalisedLinear(width * 2 ** (shape.blocks - 1) * cells, hidden)
        self.mesh_features = NormalisedLinear(mesh_size, hidden)
        self.to_posterior = NormalisedLinear(2 * hidden, 2 * latent, slope=1.0)
        self.view_features = NormalisedLinear(3, VIEW_WIDTH)
        self.latent_features = NormalisedLinear(latent, hidden)
        self.to_mesh = NormalisedLinear(hidden, mesh_size, slope=1.0)
        self.to_grid = NormalisedLinear(hidden + VIEW_WIDTH, latent * cells)
        self.decode_texture = texture_decoder(shape, latent, width, style)
        warped = settings.architecture == "warp"
        self.warp = TextureWarp(shape, self.texture_size, latent, hidden, width) if warped else None
        self._grid = shape.grid
        # a capture may lack the images of the calibrated camera that the gains are relative to
        free = torch.ones(len(statistics.cameras), 1, dtype=torch.bool)
        free[0] = False
        self.register_buffer("camera_free", free)

    def encode(self, vertices: Tensor, average_texture: Tensor, average_mask: Tensor) -> Posterior:
        """Mesh (B, N, 3) mm, average texture (B, 3, U, U) linear and its mask -> the latent's posterior."""
        mesh, texture = self.normalise(vertices, average_texture, average_mask)
        mean, log_deviation = self.encode_normalised(mesh, texture)
        return Posterior(MEAN_SCALE * mean, 2.0 * LOG_DEVIATION_SCALE * log_deviation)

    def encode_normalised(self, mesh: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
        """Mesh (B, 3N) and texture (B, 3, U, U) in deviations -> unscaled mean and log deviation, (B, Z) each."""
        seen = activate(self.texture_features(convolve(self.encode_texture, texture).flatten(1)))
        shape = activate(self.mesh_features(mesh))
        mean, log_deviation = self.to_posterior(torch.cat([seen, shape], dim=-1)).chunk(2, dim=-1)
        return mean, log_deviation

    def decode_vertices(self, latent: Tensor) -> Tensor:
        """Latent (B, Z) -> mesh (B, N, 3), head frame, mm."""
        offsets = self.to_mesh(activate(self.latent_features(latent)))
        return offsets.view(len(latent), -1, 3) * self.vertex_std + self.vertex_mean

    def decode_texture_map(self, latent: Tensor, view_direction: Tensor) -> Tensor:
        """Latent (B, Z) and unit view direction (B, 3), head frame -> texture (B, 3, U, U) linear."""
        features = torch.cat([self.view_features(view_direction), self.latent_features(latent)], dim=-1)
        grid = activate(self.to_grid(activate(features))).view(len(latent), -1, self._grid, self._grid)
        texture = convolve(self.decode_texture, grid)
        if self.warp is not None:
            texture = self.warp(latent, texture)
        return texture * self.texture_std + self.texture_mean

    def correct_camera(self, texture: Tensor, camera: Tensor) -> Tensor:
        """Each lab camera's gain and bias, in deviations: texture (B, 3, U, U) linear, camera (B,) long."""
        gain, bias = (
            torch.where(self.camera_free, learned, learned.detach())[camera]
            for learned in (self.camera_gain, self.camera_bias)
        )
        deviation = (texture - self.texture_mean) / self.texture_std
        corrected = deviation * gain[..., None, None] + bias[..., None, None]
        return corrected * self.texture_std + self.texture_mean


def check_texture_size(texture_size: int) -> None:
    """Raises InputError unless the side is a power of two from 16."""
    if texture_size < 16 or texture_size & (texture_size - 1):
        raise InputError("texture_size", "a power of two from 16 for this face model", str(texture_size),
                         "set lab.texture_size, or use another architecture")
