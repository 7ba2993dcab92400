"""Coverage: what the source saw of the face must stay in the picture, and keep facing the camera."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.texture_space import TexelMap

LEAST_COSINE = math.cos(math.radians(75.0))
"""Between surface normal and line of sight: ``visibility`` counts what lies below as unseen."""


def facing_cosine(vertices_camera: Tensor, texel_map: TexelMap) -> Tensor:
    """Cosine between each texel's surface normal and its line of sight, 0 off the mesh.

    Shapes: (B, N, 3) mm -> (B, 1, U, U).
    """
    normals = texel_map.sample(vertex_normals(vertices_camera, texel_map.faces))
    towards = -torch.nn.functional.normalize(texel_map.sample(vertices_camera), dim=-1)
    cosine = (torch.nn.functional.normalize(normals, dim=-1) * towards).sum(-1, keepdim=True)
    return texel_map.scatter(cosine)


def coverage_loss(
    pixels: Tensor, source_pixels: Tensor, cosine: Tensor, mask: Tensor, image_size: int, scale_px: float = 10.0
) -> Tensor:
    """How far the texels that the source saw have left the picture, or turned away from the camera.

    Differentiable, where the share of texels still seen is not; 0 at the source's own state, also
    where the crop has been moved off the face since.

    Args:
        pixels, source_pixels: (B, 2, U, U), where the texels lie now and lay under the source.
        cosine: (B, 1, U, U), of ``facing_cosine``.
        mask: (B, 1, U, U), what the source saw; it faced the camera there.
        image_size: side of the crop, pixels.
        scale_px: pixels beyond the picture that cost 1; a texel seen edge-on costs 1 as well.

    Returns:
        scalar: mean over the fixed mask.
    """
    left = torch.relu(_beyond(pixels, image_size) - _beyond(source_pixels, image_size)) / scale_px
    turned = torch.relu(1.0 - cosine / LEAST_COSINE)
    return ((left + turned) * mask).sum() / mask.sum().clamp(min=1.0)


def _beyond(pixels: Tensor, image_size: int) -> Tensor:
    """Pixels by which places lie outside the picture's edges, in x and y together: (B, 1, U, U)."""
    outside = torch.relu(-0.5 - pixels) + torch.relu(pixels - (image_size - 0.5))
    return outside.sum(1, keepdim=True)
