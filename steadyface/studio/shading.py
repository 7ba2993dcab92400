"""The renderer: one head, one light, anti-aliased, within the head's own box of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from steadyface.geometry.cameras import project
from steadyface.geometry.rasterizer import rasterize
from steadyface.studio.lighting import Light, Surface, facing

SAMPLES = 2
"""Samples along each side of a pixel."""


class Layer(NamedTuple):
    """A rendered head within its box of the image: to be laid over a background.

    Shapes: colour (h, w, 3) linear, premultiplied with coverage; coverage (h, w, 1) in [0, 1].
    ``left`` and ``top`` are the box's first pixel column and row.
    """

    colour: Tensor
    coverage: Tensor
    left: int
    top: int

    def over(self, background: Tensor) -> Tensor:
        """The picture (H, W, 3) with the head in front of ``background`` (H, W, 3)."""
        picture = background.clone()
        rows, columns = self.coverage.shape[:2]
        first_row, first_column = max(-self.top, 0), max(-self.left, 0)
        last_row = min(rows, len(picture) - self.top)
        last_column = min(columns, picture.shape[1] - self.left)
        if last_row <= first_row or last_column <= first_column:
            return picture
        inside = (slice(first_row, last_row), slice(first_column, last_column))
        box = picture[self.top + first_row : self.top + last_row, self.left + first_column : self.left + last_column]
        box.mul_(1.0 - self.coverage[inside]).add_(self.colour[inside])
        return picture


class HeadRenderer:
    """Renders meshes of one topology with per-pixel smooth normals.

    Args:
        faces: (F, 3) long.
        uv, uv_faces: (M, 2) in [0, 1] and (F, 3) long; texture row r lies at v = (r + 0.5) / U.
        occlusion: (N,) share of the surroundings that each vertex sees, of the face at rest.
        openings: groups of vertices, (n,) long each, between which a camera can look inside: lips, lids.
    """

    def __init__(
        self, faces: Tensor, uv: Tensor, uv_faces: Tensor, occlusion: Tensor, openings: Sequence[Tensor] = ()
    ) -> None:
        self.faces = faces
        self._openings = list(openings)
        self._two_sided = near_border(faces, len(occlusion))
        self._corner_uv = (2.0 * uv - 1.0)[uv_faces]
        self._occlusion = occlusion.unsqueeze(1)

    def render(
        self,
        vertices: Tensor,
        normals: Tensor,
        intrinsics: Tensor,
        height: int,
        width: int,
        texture: Tensor,
        light: Light,
    ) -> Layer:
        """Renders one frame.

        Args:
            vertices: (N, 3) camera frame, mm.
            normals: (N, 3) unit, camera frame.
            intrinsics: (3, 3) of the image.
            height, width: of the image, pixels.
            texture: (4, U, U) linear albedo and the sheen's strength.
            light: in the camera frame.
        """
        pixels = project(vertices[None], intrinsics[None])[0]
        left, top, right, bottom = _bounding_box(pixels, height, width)
        if right <= left or bottom <= top:
            return Layer(torch.zeros(0, 0, 3), torch.zeros(0, 0, 1), 0, 0)
        rows, columns = (bottom - top) * SAMPLES, (right - left) * SAMPLES
        fine = _supersampled(intrinsics, left, top)
        candidates = torch.nonzero(self._can_be_seen(vertices, pixels)).squeeze(1)
        fragments = rasterize(vertices[None], self.faces[candidates], fine[None], rows, columns)
        covered = torch.nonzero(fragments.triangle.view(-1) >= 0).squeeze(1)
        triangle = candidates[fragments.triangle.view(-1)[covered]]
        weights = fragments.barycentric.view(-1, 3).index_select(0, covered)
        seen = _blend(self._attributes(vertices, normals, light), triangle, weights)
        surface = _surface(seen, covered, columns, fine, texture)
        canvas = torch.zeros(rows * columns, 4)
        canvas[covered] = torch.cat([light.shade(surface), torch.ones(len(covered), 1)], dim=1)
        samples = canvas.view(rows // SAMPLES, SAMPLES, columns // SAMPLES, SAMPLES, 4)
        columns_pooled = torch.stack([samples[:, :, :, j] for j in range(SAMPLES)]).sum(0)
        pooled = columns_pooled.sum(1) / SAMPLES**2
        return Layer(pooled[..., :3], pooled[..., 3:], left, top)

    def _can_be_seen(self, vertices: Tensor, pixels: Tensor) -> Tensor:
        """Which triangles can be seen at all, to spare the others: (F,) bool.

        The inside of the mesh shows near its open borders, and behind lips and lids that part.
        """
        seen = self._two_sided | facing(vertices, self.faces)
        corners = pixels.index_select(0, self.faces.flatten()).view(-1, 3, 2)
        low, high = corners.amin(1), corners.amax(1)
        for opening in self._openings:
            around = pixels[opening]
            seen |= ((high >= around.amin(0)) & (low <= around.amax(0))).all(1)
        return seen

    def _attributes(self, vertices: Tensor, normals: Tensor, light: Light) -> Tensor:
        """What each triangle corner carries: uv, normal, occlusion, key light: (F, 3, 7)."""
        lit = light.key_share(vertices, normals, self.faces)
        carried = torch.cat([normals, self._occlusion, lit], dim=1)
        return torch.cat([self._corner_uv, carried[self.faces]], dim=2)


def _blend(attributes: Tensor, triangle: Tensor, weights: Tensor) -> Tensor:
    """Barycentric blend of what corners carry: (F, 3, C), (P,), (P, 3) -> (P, C)."""
    total = attributes[:, 0].index_select(0, triangle) * weights[:, :1]
    for corner in (1, 2):
        total.addcmul_(attributes[:, corner].index_select(0, triangle), weights[:, corner : corner + 1])
    return total


def near_border(faces: Tensor, vertex_count: int, rings: int = 2) -> Tensor:
    """Which triangles lie near an open border, where a camera can see the inside: (F, 3) -> (F,) bool."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    unique, count = torch.unique(edges, dim=0, return_counts=True)
    reached = torch.zeros(vertex_count, dtype=torch.bool)
    reached[unique[count == 1].flatten()] = True
    for _ in range(rings):
        reached[faces[reached[faces].any(1)].flatten()] = True
    return reached[faces].any(1)


def _surface(seen: Tensor, covered: Tensor, columns: int, intrinsics: Tensor, texture: Tensor) -> Surface:
    """Looks up the texture and the viewing ray of each covered sample: seen (P, 7) -> P samples."""
    skin = grid_sample(texture[None], seen[None, None, :, :2], padding_mode="border", align_corners=False)[0, :, 0].T
    x = (covered % columns - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (torch.div(covered, columns, rounding_mode="floor") - intrinsics[1, 2]) / intrinsics[1, 1]
    ray = torch.stack([x, y, torch.ones_like(x)], dim=1)
    normal, view = normalize(seen[:, 2:5], dim=1), -normalize(ray, dim=1)
    inside = (normal * view).sum(1, keepdim=True) < -0.3  # a smooth normal at the rim may turn away a little
    outside = 1.0 - 0.9 * inside.float()
    return Surface(
        normal=torch.where(inside, -normal, normal),
        view=view,
        albedo=skin[:, :3],
        sheen=skin[:, 3:] * outside,
        occlusion=seen[:, 5:6] * outside,
        lit=seen[:, 6:7] * outside,
    )


def _bounding_box(pixels: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """First and past-the-end pixel columns and rows that a mesh projected to ``pixels`` (N, 2) can touch."""
    low, high = pixels.amin(0).floor().long(), pixels.amax(0).ceil().long() + 2
    left, top = max(int(low[0]) - 1, 0), max(int(low[1]) - 1, 0)
    return left, top, min(int(high[0]), width), min(int(high[1]), height)


def _supersampled(intrinsics: Tensor, left: int, top: int) -> Tensor:
    """K of the box with SAMPLES times the pixels along each side."""
    fine = intrinsics.clone()
    fine[:2] *= SAMPLES
    fine[0, 2] = (intrinsics[0, 2] + 0.5 - left) * SAMPLES - 0.5
    fine[1, 2] = (intrinsics[1, 2] + 0.5 - top) * SAMPLES - 0.5
    return fine
