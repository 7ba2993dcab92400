"""Texture unwrapping: T = U(image, mesh, pose), and which texels a camera sees (Yoon et al., Fig. 3).

Row r, column c of a texture of U texels lies at u = (c + 0.5) / U, v = (r + 0.5) / U.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry.cameras import project
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import depth_buffer, rasterize


@dataclass(frozen=True)
class TexelMap:
    """Where on the mesh each texel lies: made once for a topology and a texture size.

    Shapes: corners (M, 3) long, the vertices around each of the M texels that lie on the mesh;
    barycentric (M, 3); index (M,) long, the texel's place in the flattened U x U texture.
    """

    corners: Tensor
    barycentric: Tensor
    index: Tensor
    faces: Tensor
    size: int

    @classmethod
    def from_topology(cls, faces: Tensor, uv: Tensor, uv_faces: Tensor, size: int) -> TexelMap:
        """Rasterise the uv layout: faces (F, 3), uv (M, 2) in [0, 1], uv_faces (F, 3)."""
        flat = torch.cat([uv.float() * size - 0.5, torch.ones(len(uv), 1, device=uv.device)], dim=-1)
        layout = flat * flat.new_tensor([2.0, 2.0, 2.0])  # any depth will do, beyond the near limit
        fragments = rasterize(layout[None], uv_faces, torch.eye(3, device=uv.device)[None], size, size)
        index = torch.nonzero(fragments.triangle.flatten() >= 0).squeeze(1)
        triangle = fragments.triangle.flatten()[index]
        return cls(faces[triangle], fragments.barycentric.view(-1, 3)[index], index, faces, size)

    @property
    def mask(self) -> Tensor:
        """(1, 1, U, U) float: 1 where the texel lies on the mesh."""
        return self.scatter(torch.ones(1, len(self.index), 1, device=self.index.device))

    def to(self, device: torch.device) -> TexelMap:
        """The same map on another device."""
        return TexelMap(
            corners=self.corners.to(device),
            barycentric=self.barycentric.to(device),
            index=self.index.to(device),
            faces=self.faces.to(device),
            size=self.size,
        )

    def sample(self, attributes: Tensor) -> Tensor:
        """Blend what the vertices carry at each texel: (B, N, C) -> (B, M, C)."""
        corners = attributes.index_select(1, self.corners.flatten())
        one, two, three = corners.view(len(attributes), -1, 3, attributes.shape[-1]).unbind(2)
        first, second, third = self.barycentric.to(attributes.dtype).unsqueeze(-1).unbind(1)
        return one * first + two * second + three * third

    def scatter(self, values: Tensor) -> Tensor:
        """Lay values of the texels out as a texture, 0 off the mesh: (B, M, C) -> (B, C, U, U)."""
        flat = values.new_zeros(len(values), values.shape[-1], self.size * self.size)
        flat = flat.index_copy(2, self.index, values.transpose(1, 2))
        return flat.view(len(values), -1, self.size, self.size)

    def restrict(self, mask: Tensor) -> TexelMap:
        """Keep only the texels where mask (U, U) is true."""
        kept = mask.flatten()[self.index].bool()
        return TexelMap(self.corners[kept], self.barycentric[kept], self.index[kept], self.faces, self.size)


class Unwrapped(NamedTuple):
    """texture (B, C, U, U), 0 where out of frame or off the mesh; in_frame (B, 1, U, U) 0 or 1;
    pixels (B, M, 2), where each texel of the map lies in the image."""

    texture: Tensor
    in_frame: Tensor
    pixels: Tensor


def sample_pixels(image: Tensor, pixels: Tensor) -> Tensor:
    """Bilinear image values at pixel positions: (B, C, H, W), (B, M, 2) -> (B, M, C); 0 outside."""
    height, width = image.shape[-2:]
    scale = pixels.new_tensor([2.0 / (width - 1), 2.0 / (height - 1)])
    grid = (pixels * scale - 1.0).unsqueeze(2)
    return grid_sample(image, grid, align_corners=True).squeeze(-1).transpose(1, 2)


def unwrap(image: Tensor, vertices_camera: Tensor, intrinsics: Tensor, texel_map: TexelMap) -> Unwrapped:
    """Bring an image into texture space through the mesh that projects onto it.

    Differentiable in the image and, through the bilinear lookup, in the vertices, and so in
    latent and pose. Says nothing of what is hidden: multiply with ``visibility``.

    Args:
        image: (B, C, H, W).
        vertices_camera: (B, N, 3) camera frame, mm.
        intrinsics: (B, 3, 3) of this image.
        texel_map: where the texels lie on the mesh.
    """
    pixels = project(texel_map.sample(vertices_camera), intrinsics)
    height, width = image.shape[-2:]
    limit = pixels.new_tensor([width - 1, height - 1])
    inside = ((pixels >= 0) & (pixels <= limit)).all(-1, keepdim=True).to(image.dtype)
    texture = texel_map.scatter(sample_pixels(image, pixels) * inside)
    return Unwrapped(texture, texel_map.scatter(inside), pixels)


@torch.no_grad()
def visibility(
    vertices_camera: Tensor,
    intrinsics: Tensor,
    texel_map: TexelMap,
    height: int,
    width: int,
    max_angle_rad: float = math.radians(75.0),
    tolerance_mm: float = 1.0,
    normals: Tensor | None = None,
    buffer: Tensor | None = None,
) -> Tensor:
    """Which texels a camera sees: turned towards it, in frame, and with nothing before them.

    A texel hides when the depth buffer at its pixel is nearer than itself by more than the
    tolerance plus what the surface's slope can do across one pixel.

    Args:
        vertices_camera: (B, N, 3) camera frame, mm.
        intrinsics: (B, 3, 3).
        texel_map: where the texels lie on the mesh.
        height, width: of the image, pixels.
        max_angle_rad: largest angle between the surface normal and the line of sight.
        tolerance_mm: depth by which a texel may lie behind the buffer.
        normals: (B, N, 3) unit, camera frame, where the caller has them: ``vertex_normals``.
        buffer: (B, height, width) mm, where the caller has it: ``depth_buffer``.

    Returns:
        (B, 1, U, U) float, 0 or 1.
    """
    points = texel_map.sample(vertices_camera)
    if normals is None:
        normals = vertex_normals(vertices_camera, texel_map.faces)
    if buffer is None:
        buffer = depth_buffer(vertices_camera, texel_map.faces, intrinsics, height, width)
    towards = -torch.nn.functional.normalize(points, dim=-1)
    cosine = (torch.nn.functional.normalize(texel_map.sample(normals), dim=-1) * towards).sum(-1)
    facing = cosine > math.cos(max_angle_rad)
    pixels = project(points, intrinsics).round().long()
    inside = (pixels >= 0).all(-1) & (pixels[..., 0] < width) & (pixels[..., 1] < height)
    place = (pixels[..., 1].clamp(0, height - 1) * width) + pixels[..., 0].clamp(0, width - 1)
    nearest = torch.gather(buffer.flatten(1), 1, place)
    pixel_mm = points[..., 2] / intrinsics[:, 0, 0].unsqueeze(1)
    slope = torch.tan(torch.acos(cosine.clamp(math.cos(max_angle_rad), 1.0)))
    open_sight = (nearest <= 0) | (points[..., 2] <= nearest + tolerance_mm + pixel_mm * slope)
    seen = (facing & inside & open_sight).to(vertices_camera.dtype)
    return texel_map.scatter(seen.unsqueeze(-1))


def erode(mask: Tensor, radius: int) -> Tensor:
    """Shrink a 0/1 mask (B, 1, U, U) by ``radius`` texels; the texture's border counts as outside."""
    padded = torch.nn.functional.pad(1.0 - mask, [radius] * 4, value=1.0)
    return 1.0 - torch.nn.functional.max_pool2d(padded, 2 * radius + 1, stride=1)
