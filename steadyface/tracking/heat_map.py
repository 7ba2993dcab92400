"""A number at each vertex as colour on the head: where the error sits (after Yoon et al. 2019, Fig. 12)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.geometry.cameras import transform
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import interpolate, rasterize

# Anchors of a sequential scale whose lightness falls steadily (readable in grey and by the
# colour-blind): pale sand, orange, magenta, violet, near black; sRGB.
_ANCHORS = (
    (0.988, 0.953, 0.863),
    (0.984, 0.761, 0.498),
    (0.937, 0.467, 0.369),
    (0.757, 0.231, 0.443),
    (0.451, 0.118, 0.471),
    (0.157, 0.071, 0.282),
)


def colour_scale(values: Tensor, limit: float) -> Tensor:
    """Colours of values, (...) -> (..., 3) sRGB: pale at 0, dark at ``limit`` and above.

    Args:
        values: any shape, 0 or more; nan is drawn as 0.
        limit: value of the darkest colour, above 0.
    """
    anchors = torch.tensor(_ANCHORS, dtype=torch.float32)
    place = (torch.nan_to_num(values.float()) / limit).clamp(0.0, 1.0) * (len(anchors) - 1)
    below = place.floor().long().clamp_max(len(anchors) - 2)
    share = (place - below)[..., None]
    return anchors[below] * (1.0 - share) + anchors[below + 1] * share


def render_heat_map(
    vertices: Tensor, faces: Tensor, values: Tensor, limit: float, size: int = 480, turn_deg: float = 0.0
) -> NDArray[np.uint8]:
    """Draw a head coloured by a value at each vertex, softly shaded, on a transparent ground.

    Args:
        vertices: (N, 3) mm, head frame: the face looks along -z, y points down.
        faces: (F, 3) long.
        values: (N,), 0 or more.
        limit: value of the darkest colour; give maps to be compared the same one.
        size: side of the picture, pixels.
        turn_deg: turn of the head about its vertical axis, degrees.

    Returns:
        (size, size, 4) uint8 sRGB with alpha.
    """
    vertices = vertices.detach().cpu().float()
    inner = 2 * size  # drawn at twice the size and averaged: no stairs at the outline
    points, intrinsics = _portrait(vertices, inner, math.radians(turn_deg))
    fragments = rasterize(points, faces.cpu(), intrinsics, inner, inner)
    normals = vertex_normals(points, faces.cpu())[0]
    carried = torch.cat([colour_scale(values.detach().cpu(), limit), normals], dim=-1)
    picture = interpolate(fragments, carried[faces.cpu()])[0]
    facing = -torch.nn.functional.normalize(picture[..., 3:], dim=-1)[..., 2]
    shaded = picture[..., :3] * (0.72 + 0.28 * facing.abs())[..., None]
    covered = (fragments.triangle[0] >= 0).float()[..., None]
    layers = torch.cat([shaded * covered, covered], dim=-1).permute(2, 0, 1)[None]
    small = torch.nn.functional.avg_pool2d(layers, 2)[0].permute(1, 2, 0)
    small = torch.cat([small[..., :3] / small[..., 3:].clamp_min(1e-6), small[..., 3:]], dim=-1)
    return (small.clamp(0.0, 1.0) * 255.0).round().byte().numpy()


def _portrait(vertices: Tensor, size: int, turn: float) -> tuple[Tensor, Tensor]:
    """The head before a long lens that just holds it: points (1, N, 3) and intrinsics (1, 3, 3)."""
    cosine, sine = math.cos(turn), math.sin(turn)
    rotation = torch.tensor([[[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]])
    centre = (vertices.amax(dim=0) + vertices.amin(dim=0)) / 2
    radius = float((vertices - centre).norm(dim=1).max())
    distance = 6.0 * radius
    points = transform((vertices - centre)[None], rotation, torch.tensor([[0.0, 0.0, distance]]))
    reach = (points[..., :2].abs() / points[..., 2:]).max()
    focal = 0.5 * size / (1.06 * float(reach))
    middle = 0.5 * (size - 1)
    return points, torch.tensor([[[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]]])
