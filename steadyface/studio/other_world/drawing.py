"""One instant of the head and the body in front of nothing: rasterised, and shaded as skin, eyes and wool.

Diffuse light comes from the vertices, where it was traced; on it lie two GGX lobes that mirror the environment
(the split sum of B. Karis, Real Shading in Unreal Engine 4, 2013).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from steadyface.geometry.rasterizer import rasterize_covered
from steadyface.studio.other_world.body import wool
from steadyface.studio.other_world.environment import Mirror

ROUGHNESS = (0.42, 0.18, 0.04)
"""GGX alpha of the lobes: skin's broad one, skin's narrow one, and that of wet eyes."""
_REFLECTANCE = (0.028, 0.028, 0.03)  # at normal incidence
_INSIDE = 0.06  # of the light reaches the back of a surface


class Surfaces(NamedTuple):
    """What is fixed for a clip. Head triangles come first, then the body's.

    Shapes: faces (F, 3); head_faces: how many are the head's; uv (F, 3, 2): corners on the texture, on the body those
    of ``Body.uv``; lobes (N, 3): how strongly each vertex mirrors with each lobe; albedo (3, U, U) linear;
    cloth (2, 3) colours.
    """

    faces: Tensor
    head_faces: int
    uv: Tensor
    lobes: Tensor
    albedo: Tensor
    cloth: Tensor


class Lit(NamedTuple):
    """Light at the vertices of one instant: irradiance (N, 3), open_share (N, 1)."""

    irradiance: Tensor
    open_share: Tensor


def draw(
    surfaces: Surfaces,
    places: Tensor,
    normals: Tensor,
    lit: Lit,
    mirror: Mirror,
    to_room: Tensor,
    intrinsics: Tensor,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """One sample at each pixel.

    Args:
        places: (N, 3) mm, camera frame; normals: (N, 3) unit, camera frame.
        mirror: the environment, in the room's axes; to_room: (3, 3) from camera to room.
        intrinsics: (3, 3); size: height and width, pixels.

    Returns:
        colour (H * W, 3) linear radiance, 0 where nothing is, and coverage (H * W, 1).
    """
    height, width = size
    covered = rasterize_covered(places[None], surfaces.faces, intrinsics[None], height, width)
    weights = torch.stack(covered.barycentric, dim=1)
    corners = surfaces.faces[covered.triangle]
    carried = torch.cat([normals, places, lit.irradiance, lit.open_share, surfaces.lobes], dim=1)
    normal, place, light, open_share, lobes = _blend(carried, corners, weights).split([3, 3, 3, 1, 3], dim=1)
    view = normalize(-place, dim=1)
    normal = normalize(normal, dim=1)
    behind = _turned_away(places, corners, view)
    normal = torch.where(behind, -normal, normal)
    dark = torch.where(behind, _INSIDE, 1.0)
    uv = (surfaces.uv[covered.triangle] * weights[..., None]).sum(1)
    albedo = _albedo(surfaces, uv, covered.triangle)
    colour = albedo * light / math.pi + _mirrored(normal, view, lobes * open_share, mirror, to_room)
    pixels = torch.zeros(height * width, 4)
    pixels[covered.pixel] = torch.cat([colour * dark, torch.ones_like(dark)], dim=1)
    return pixels[:, :3], pixels[:, 3:]


def _blend(carried: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Values of vertices (N, C) at P places in triangles: (P, 3) indices, (P, 3) weights -> (P, C)."""
    parts = [carried.index_select(0, corner) * weight for corner, weight in
             zip(corners.unbind(1), weights.split(1, dim=1), strict=True)]  # fmt: skip
    return parts[0] + parts[1] + parts[2]


def _turned_away(places: Tensor, corners: Tensor, view: Tensor) -> Tensor:
    """Which triangles show their back: (P, 1)."""
    a, b, c = (places.index_select(0, corner) for corner in corners.unbind(1))
    return (torch.linalg.cross(b - a, c - a) * view).sum(1, keepdim=True) < 0.0


def _albedo(surfaces: Surfaces, uv: Tensor, triangle: Tensor) -> Tensor:
    on_head = (triangle < surfaces.head_faces)[:, None]
    grid = (2.0 * uv - 1.0)[None, None].clamp(-1.0, 1.0)
    skin = grid_sample(surfaces.albedo[None], grid, padding_mode="border", align_corners=False)[0, :, 0].T
    return torch.where(on_head, skin, wool(uv, surfaces.cloth))


def _mirrored(normal: Tensor, view: Tensor, lobes: Tensor, mirror: Mirror, to_room: Tensor) -> Tensor:
    """What the lobes mirror towards the eye: (P, 3)."""
    facing = (normal * view).sum(1, keepdim=True).clamp(0.02, 1.0)
    away = 2.0 * facing * normal - view
    seen = mirror.look_up(normalize(away, dim=1) @ to_room.T)
    total = torch.zeros_like(normal)
    for lobe, alpha, reflectance, light in zip(lobes.split(1, dim=1), ROUGHNESS, _REFLECTANCE, seen, strict=True):
        total = total + lobe * light * split_sum(facing, math.sqrt(alpha), reflectance)
    return total


def split_sum(facing: Tensor, roughness: float, reflectance: float) -> Tensor:
    """Share of an even environment that a GGX surface mirrors, by Karis' fit: cosine (P, 1) -> (P, 1).

    Args:
        roughness: the square root of GGX's alpha; reflectance: at normal incidence.
    """
    r = [roughness * a + b for a, b in ((-1.0, 1.0), (-0.0275, 0.0425), (-0.572, 1.04), (0.022, -0.04))]
    grazing = torch.minimum(torch.full_like(facing, r[0] ** 2), torch.exp2(-9.28 * facing)) * r[0] + r[1]
    return (reflectance * (-1.04 * grazing + r[2]) + 1.04 * grazing + r[3]).clamp(min=0.0)
