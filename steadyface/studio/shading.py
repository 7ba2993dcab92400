"""The renderer: one head, one light, anti-aliased, within the head's own box of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry.cameras import project
from steadyface.geometry.rasterizer import Covered, depth_buffer, flat_nonzero, rasterize_covered
from steadyface.studio.lighting import Light, Surface, dot, facing

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
        self._corners = faces.t().flatten()
        self._corner_uv = (2.0 * uv - 1.0)[uv_faces].permute(2, 1, 0).contiguous()
        self._occlusion = occlusion

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
        candidates = flat_nonzero(self._can_be_seen(vertices, pixels))
        covered = rasterize_covered(vertices[None], self.faces[candidates], fine[None], rows, columns)
        covered = covered._replace(triangle=candidates.index_select(0, covered.triangle))
        surface = _surface(_blend(self._attributes(vertices, normals, light), covered), covered, columns, fine, texture)
        canvas = torch.zeros(4, rows * columns)
        for channel, values in zip(canvas, [*light.shade(surface), torch.ones(len(covered.pixel))], strict=True):
            channel.index_copy_(0, covered.pixel, values)
        pooled = _pool(canvas.view(4, rows, columns)).permute(1, 2, 0).contiguous()
        return Layer(pooled[..., :3], pooled[..., 3:], left, top)

    def depth(self, vertices: Tensor, intrinsics: Tensor, height: int, width: int) -> Tensor:
        """The depth buffer at the pixels' centres, 0 = nothing: (N, 3) camera frame, (3, 3) -> (height, width) mm."""
        pixels = project(vertices[None], intrinsics[None])[0]
        faces = self.faces[flat_nonzero(self._can_be_seen(vertices, pixels))]
        return depth_buffer(vertices[None], faces, intrinsics[None], height, width)[0]

    def _can_be_seen(self, vertices: Tensor, pixels: Tensor) -> Tensor:
        """Which triangles can be seen at all, to spare the others: (F,) bool.

        The inside of the mesh shows near its open borders, and behind lips and lids that part.
        """
        seen = self._two_sided | facing(vertices, self.faces)
        spans = []
        for place in pixels.unbind(1):
            one, two, three = place.contiguous().index_select(0, self._corners).view(3, -1)
            spans.append((torch.minimum(torch.minimum(one, two), three), torch.maximum(torch.maximum(one, two), three)))
        (left, right), (top, bottom) = spans
        for opening in self._openings:
            (low_x, low_y), (high_x, high_y) = pixels[opening].amin(0), pixels[opening].amax(0)
            seen |= (right >= low_x) & (left <= high_x) & (bottom >= low_y) & (top <= high_y)
        return seen

    def _attributes(self, vertices: Tensor, normals: Tensor, light: Light) -> list[Tensor]:
        """What triangle corners carry: uv, normal, occlusion, key light: seven of (3, F), corners first."""
        lit = light.key_share(vertices, normals, self.faces)[:, 0]
        carried = [*normals.t().contiguous(), self._occlusion, lit]
        return [*self._corner_uv, *(values.index_select(0, self._corners).view(3, -1) for values in carried)]


def _blend(attributes: list[Tensor], covered: Covered) -> Tensor:
    """Barycentric blend of what corners carry: C of (3, F) -> (C, P)."""
    blended = torch.empty(len(attributes), len(covered.pixel))
    for total, corners in zip(blended, attributes, strict=True):
        picked = [values.index_select(0, covered.triangle) for values in corners]
        torch.mul(picked[0], covered.barycentric[0], out=total)
        for corner in (1, 2):
            total.addcmul_(picked[corner], covered.barycentric[corner])
    return blended


def _pool(samples: Tensor) -> Tensor:
    """Mean over the SAMPLES x SAMPLES samples of each pixel: (C, rows, columns) -> (C, h, w)."""
    rows = samples.view(len(samples), -1, SAMPLES, samples.shape[2]).sum(2)
    return torch.stack([rows[:, :, start::SAMPLES] for start in range(SAMPLES)]).sum(0) / SAMPLES**2


def near_border(faces: Tensor, vertex_count: int, rings: int = 2) -> Tensor:
    """Which triangles lie near an open border, where a camera can see the inside: (F, 3) -> (F,) bool."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values
    unique, count = torch.unique(edges, dim=0, return_counts=True)
    reached = torch.zeros(vertex_count, dtype=torch.bool)
    reached[unique[count == 1].flatten()] = True
    for _ in range(rings):
        reached[faces[reached[faces].any(1)].flatten()] = True
    return reached[faces].any(1)


def _surface(seen: Tensor, covered: Covered, columns: int, intrinsics: Tensor, texture: Tensor) -> Surface:
    """Looks up the texture and the viewing ray of each covered sample: seen (7, P) -> P samples."""
    place = torch.empty(1, 1, seen.shape[1], 2)
    place[0, 0, :, 0], place[0, 0, :, 1] = seen[0], seen[1]
    skin = grid_sample(texture[None], place, padding_mode="border", align_corners=False)[0, :, 0]
    view = _towards_camera(covered.pixel, columns, intrinsics)
    normal = seen[2:5] / dot(seen[2:5], seen[2:5]).sqrt_().clamp_(min=1e-12)
    dark = seen[5:7]
    inside = flat_nonzero(dot(normal, view)[0] < -0.3)  # a smooth normal at the rim may turn away a little
    if len(inside):
        normal[:, inside] *= -1.0
        dark[:, inside] *= 0.1
        skin[3, inside] *= 0.1
    return Surface(normal, view, skin[:3], skin[3:], dark[:1], dark[1:])


def _towards_camera(pixel: Tensor, columns: int, intrinsics: Tensor) -> Tensor:
    """Unit vectors from the skin to the camera, of flattened pixels: (P,) -> (3, P)."""
    place = pixel.double()
    row = ((place + 0.5) / columns).floor_()  # float64 divides faster than long; half a step keeps the floor exact
    view = torch.empty(3, len(pixel))
    view[0] = (row * columns).sub_(place).float().add_(intrinsics[0, 2]).div_(intrinsics[0, 0])
    view[1] = row.float().neg_().add_(intrinsics[1, 2]).div_(intrinsics[1, 1])
    view[2] = -1.0
    return view.div_(dot(view, view).sqrt_())


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
