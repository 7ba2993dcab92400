"""Unwrap -> render -> unwrap on the subject's head: what the two bilinear lookups take away."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pytorch3d.transforms import so3_exp_map
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import interpolate, rasterize
from steadyface.geometry.texture_space import TexelMap, erode, unwrap, visibility

TEXELS, SIZE, FOCAL_PX = 96, 512, 1000.0
SHORTEST_WAVE_TEXELS = 12.0
"""The texture's band limit: from here to twice as long."""


def band_limited_texture() -> Tensor:
    """Six waves a channel, stretched to [0, 1]: (1, 3, U, U)."""
    generator = torch.Generator().manual_seed(1)
    steps = torch.arange(TEXELS) + 0.5
    row, column = torch.meshgrid(steps, steps, indexing="ij")
    texture = torch.zeros(1, 3, TEXELS, TEXELS)
    for channel in range(3):
        for angle, phase, length in torch.rand(6, 3, generator=generator).tolist():
            along = column * math.cos(2 * math.pi * angle) + row * math.sin(2 * math.pi * angle)
            wave_number = 2 * math.pi / (SHORTEST_WAVE_TEXELS * (1 + length))
            texture[0, channel] += torch.sin(wave_number * along + 2 * math.pi * phase)
    return (texture - texture.amin()) / (texture.amax() - texture.amin())


def render(texture: Tensor, vertices: Tensor, subject: Any, intrinsics: Tensor) -> Tensor:
    """Texture on the mesh, black around it: rasterise, blend uv, look up bilinearly. (1, 3, H, W)."""
    fragments = rasterize(vertices, subject.faces, intrinsics, SIZE, SIZE)
    uv = interpolate(fragments, subject.uv[subject.uv_faces])
    image = grid_sample(texture, 2 * uv - 1, align_corners=False, padding_mode="border")
    return image * (fragments.triangle >= 0).unsqueeze(1)


def pixels_a_texel(pixels: Tensor, texel_map: TexelMap) -> Tensor:
    """The smaller stretch of the map from texture to image around each texel, (U, U); 0 at the map's borders."""
    places = torch.full((1, 2, TEXELS, TEXELS), float("nan"))
    places.flatten(2)[..., texel_map.index] = pixels.transpose(1, 2)
    jacobian = torch.zeros(TEXELS, TEXELS, 2, 2)
    jacobian[:, 1:-1, :, 0] = (places[0, :, :, 2:] - places[0, :, :, :-2]).permute(1, 2, 0) / 2
    jacobian[1:-1, :, :, 1] = (places[0, :, 2:] - places[0, :, :-2]).permute(1, 2, 0) / 2
    return torch.linalg.svdvals(jacobian.nan_to_num())[..., 1]


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.1, 0.4, 0.05), (-0.15, -0.3, 0.1)])
def test_a_texture_comes_back_from_a_picture(subject: Any, turn: tuple[float, float, float]) -> None:
    texel_map = TexelMap.from_topology(subject.faces, subject.uv, subject.uv_faces, TEXELS)
    neutral = subject.vertices(torch.zeros(1, len(subject.expression_names)))
    vertices = transform(neutral, so3_exp_map(torch.tensor([turn])), torch.tensor([[0.0, 0.0, 600.0]]))
    middle = SIZE / 2 - 0.5
    intrinsics = torch.tensor([[[FOCAL_PX, 0, middle], [0, FOCAL_PX, middle], [0, 0, 1]]])
    texture = band_limited_texture()
    again = unwrap(render(texture, vertices, subject, intrinsics), vertices, intrinsics, texel_map)
    seen = visibility(vertices, intrinsics, texel_map, SIZE, SIZE, max_angle_rad=math.radians(60))
    kept = (erode(seen * again.in_frame, 2)[0, 0] > 0) & (pixels_a_texel(again.pixels, texel_map) >= 2)
    assert kept.sum() > 1000
    difference = (again.texture - texture).abs()[0][:, kept].flatten()
    percentile = torch.quantile(difference, 0.99).item()
    print(
        f"99th percentile {255 * percentile:.2f} / 255 over {int(kept.sum())} texels, waves of "
        f"{SHORTEST_WAVE_TEXELS:.0f} texels and longer; largest {255 * difference.max().item():.2f} / 255"
    )
    assert percentile < 2 / 255
