"""One image and its camera -> face state: points of the head, then the expression in texture space.

A point network finds places of the head in the crop; pose and expression, to first order, are the
ones that put the lab's linear model there (``head_points``). The expression network then sees the
crop unwrapped, under that pose, onto the mean face, and contrast-normalised: every texel is at its
place whatever the pose, and light is gone. What it says is added to the expression.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor, nn

from steadyface.geometry.cameras import transform
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.texture_space import TexelMap, unwrap
from steadyface.networks.blocks import convolution_stack
from steadyface.networks.head_points import HeadPoints
from steadyface.networks.point_network import FoundPoints, PointNetwork
from steadyface.types import FaceState, SubjectStatistics


@dataclass
class StateEncoderSettings:
    """Size of the encoder."""

    image_size: int = 128  # side of the crop it sees, pixels
    texture_size: int = 96  # side of the unwrapped texture it sees, texels
    point_width: int = 16  # channels of the point network's first layer
    still_points: int = 32  # points of the head that hardly move
    moving_points: int = 64  # points that expressions move most
    expression_width: int = 16  # channels of the expression network's first layer


class ExpressionNetwork(nn.Module):
    """Contrast-normalised texture with its mask (B, 4, E, E) -> latent (B, Z)."""

    def __init__(self, settings: StateEncoderSettings, latent_size: int) -> None:
        super().__init__()
        width = settings.expression_width
        self.body = convolution_stack([4, width, 2 * width, 4 * width, 4 * width], residual_from=2)
        side = settings.texture_size // 16
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * width * side * side, 256), nn.SiLU(), nn.Linear(256, latent_size)
        )
        with torch.no_grad():  # it starts from what the points say
            for part in self.head[-1].parameters():
                part.zero_()

    def forward(self, texture: Tensor) -> Tensor:
        return self.head(self.body(texture))


class StateEncoder(nn.Module):
    """Image and camera -> FaceState.

    Args:
        statistics: topology and mean mesh of the subject.
        settings: sizes.
        latent_size: numbers in the face model's z.
    """

    mean_mesh: Tensor
    mean_normals: Tensor
    latent_mean: Tensor
    latent_std: Tensor
    lab_residual: Tensor

    def __init__(self, statistics: SubjectStatistics, settings: StateEncoderSettings, latent_size: int) -> None:
        super().__init__()
        self.settings = settings
        count = settings.still_points + settings.moving_points
        self.point_network = PointNetwork(settings.point_width, count)
        self.head_points = HeadPoints(settings.still_points, settings.moving_points, latent_size)
        self.expression_network = ExpressionNetwork(settings, latent_size)
        self.register_buffer("mean_mesh", statistics.vertex_mean.clone(), persistent=False)
        normals = vertex_normals(statistics.vertex_mean[None], statistics.faces)[0]
        self.register_buffer("mean_normals", normals, persistent=False)
        self.register_buffer("latent_mean", torch.zeros(latent_size))
        self.register_buffer("latent_std", torch.ones(latent_size))
        # mean and 95th percentile of the texture residual on held-out lab views
        self.register_buffer("lab_residual", torch.zeros(2))
        self._texel_map = TexelMap.from_topology(
            statistics.faces, statistics.uv, statistics.uv_faces, settings.texture_size
        )

    def forward(self, image: Tensor, intrinsics: Tensor) -> FaceState:
        """Image (B, 3, S, S) sRGB in [0, 1], K (B, 3, 3) of that crop -> FaceState of B frames."""
        return self.predict(image, intrinsics)[0]

    def predict(self, image: Tensor, intrinsics: Tensor) -> tuple[FaceState, FoundPoints]:
        """As ``forward``, with the points that the state was solved from."""
        found = self.point_network(image)
        first = self.head_points.solve(found, intrinsics)
        latent = self.predict_latent(
            first.coefficients, image, intrinsics, first.rotation.detach(), first.translation.detach()
        )
        return FaceState(latent, first.rotation, first.translation), found

    def predict_latent(
        self, coefficients: Tensor, image: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor
    ) -> Tensor:
        """What the points say (B, Z), in deviations of the lab, and what the crop's texture adds under a
        head pose -> latent (B, Z)."""
        texture = self.unwrap_mean_face(image, intrinsics, rotation, translation)
        return self.latent_mean + self.latent_std * (coefficients + self.expression_network(texture))

    def unwrap_mean_face(self, image: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """What the expression network sees: (B, 4, E, E), normalised colours and the mask of front texels."""
        if self._texel_map.corners.device != image.device:
            self._texel_map = self._texel_map.to(image.device)
        count = len(image)
        vertices = transform(self.mean_mesh.expand(count, -1, -1), rotation, translation)
        seen = unwrap(rgb_to_linear_rgb(image), vertices, intrinsics, self._texel_map)
        normals = self.mean_normals.expand(count, -1, -1) @ rotation.transpose(-1, -2)
        towards = -nn.functional.normalize(vertices, dim=-1)
        facing = (normals * towards).sum(-1, keepdim=True)
        front = self._texel_map.scatter((self._texel_map.sample(facing) > 0.2).to(image.dtype))
        mask = front * seen.in_frame
        return torch.cat([normalise_contrast(seen.texture, mask, radius=6, floor=0.01), mask], dim=1)
