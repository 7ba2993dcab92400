"""One image and its camera -> face state: pose first, then the expression in texture space.

The pose network sees the crop and answers in the crop's own terms: a rotation seen from the ray
to the head, a position in the crop, a size. K turns that into the camera frame, so neither the
focal length nor the place of the crop has to be learned. The expression network sees the crop
unwrapped, under that pose, onto the mean face, and contrast-normalised: every texel is then at its
place whatever the pose, and light is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.color import rgb_to_linear_rgb
from pytorch3d.transforms import rotation_6d_to_matrix
from torch import Tensor, nn

from steadyface.geometry.cameras import transform
from steadyface.geometry.contrast import normalise_contrast
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.texture_space import TexelMap, unwrap
from steadyface.networks.blocks import convolution_stack
from steadyface.types import FaceState, SubjectStatistics

HEAD_SIZE_MM = 250.0
"""A head of this size that fills the crop has the size code 0."""


@dataclass
class StateEncoderSettings:
    """Size of the encoder."""

    image_size: int = 128  # side of the crop it sees, pixels
    texture_size: int = 96  # side of the unwrapped texture it sees, texels
    pose_width: int = 16  # channels of the pose network's first layer
    expression_width: int = 16  # channels of the expression network's first layer


class PoseNetwork(nn.Module):
    """Crop -> 9 numbers: rotation (6), position in the crop (2), log size (1)."""

    def __init__(self, settings: StateEncoderSettings) -> None:
        super().__init__()
        width = settings.pose_width
        self.body = convolution_stack([3, width, 2 * width, 4 * width, 4 * width, 6 * width], residual_from=2)
        side = settings.image_size // 32
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * width * side * side, 128), nn.SiLU(), nn.Linear(128, 9))
        with torch.no_grad():  # start as a frontal head in the middle of the crop
            self.head[-1].weight.mul_(0.1)
            self.head[-1].bias.copy_(torch.tensor([1.0, 0, 0, 0, 1.0, 0, 0, 0, 0]))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, S, S) sRGB -> (B, 9)."""
        return self.head(self.body(image * 2.0 - 1.0))


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

    def forward(self, texture: Tensor) -> Tensor:
        return self.head(self.body(texture))


class StateEncoder(nn.Module):
    """Image and camera -> FaceState.

    Args:
        statistics: topology and mean mesh of the subject.
        settings: sizes.
        latent_size: numbers in the face model's z.
    """

    def __init__(self, statistics: SubjectStatistics, settings: StateEncoderSettings, latent_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.pose_network = PoseNetwork(settings)
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
        rotation, translation = self.predict_pose(image, intrinsics)
        latent = self.predict_latent(image, intrinsics, rotation.detach(), translation.detach())
        return FaceState(latent, rotation, translation)

    def predict_pose(self, image: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
        """Crop and its K -> rotation (B, 3, 3) and translation (B, 3) mm, head -> camera."""
        return pose_from_code(self.pose_network(image), intrinsics, image.shape[-1])

    def predict_latent(self, image: Tensor, intrinsics: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """Crop, its K and the head pose in it -> latent (B, Z)."""
        texture = self.unwrap_mean_face(image, intrinsics, rotation, translation)
        return self.latent_mean + self.latent_std * self.expression_network(texture)

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


def pose_from_code(code: Tensor, intrinsics: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
    """Turn the crop's terms into a pose of the camera frame.

    Args:
        code: (B, 9): two columns of a rotation seen from the ray to the head; x and y of the head's
            origin in the crop, -1 to 1 from edge to edge; log of the head's size against the crop.
        intrinsics: (B, 3, 3) of the crop.
        image_size: side of the crop, pixels.

    Returns:
        rotation (B, 3, 3) and translation (B, 3) in mm, head -> camera.
    """
    pixels = (code[:, 6:8] + 1.0) * (image_size / 2) - 0.5
    ray_x = (pixels[:, 0] - intrinsics[:, 0, 2]) / intrinsics[:, 0, 0]
    ray_y = (pixels[:, 1] - intrinsics[:, 1, 2]) / intrinsics[:, 1, 1]
    ray = torch.stack([ray_x, ray_y, torch.ones_like(ray_x)], dim=-1)
    depth = intrinsics[:, 0, 0] * HEAD_SIZE_MM / (image_size * torch.exp(code[:, 8]))
    rotation = _rotation_to_ray(ray) @ rotation_6d_to_matrix(code[:, :6])
    return rotation, ray * depth.unsqueeze(-1)


def _rotation_to_ray(ray: Tensor) -> Tensor:
    """The smallest rotation that takes the optical axis to the ray: (B, 3) -> (B, 3, 3)."""
    unit = nn.functional.normalize(ray, dim=-1)
    x, y, z = unit.unbind(-1)
    inverse = 1.0 / (1.0 + z)
    rows = [1 - x * x * inverse, -x * y * inverse, x, -x * y * inverse, 1 - y * y * inverse, y, -x, -y, z]
    return torch.stack(rows, dim=-1).view(-1, 3, 3)
