"""Shoulders and a shirt below the head: a lit mesh, painted once and moved as a picture.

The torso follows the head's shifts but not its turns. It has no part in the truth: for a tracker it
is background that comes before the neck's lower edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry.normals import vertex_normals
from steadyface.studio.lighting import Light, RoomLight, Surface
from steadyface.studio.shading import HeadRenderer

COLUMNS, ROWS = 72, 48
_CARD_MARGIN_PX = 80
# height, and what the half width and half depth exceed the neck's by, mm
_RINGS = np.array([
    [133.0, 4.0, 4.0], [141.0, 6.0, 6.0], [150.0, 18.0, 14.0], [162.0, 48.0, 20.0], [178.0, 98.0, 28.0],
    [196.0, 132.0, 33.0], [225.0, 150.0, 38.0], [300.0, 156.0, 46.0], [460.0, 150.0, 50.0],
])  # fmt: skip


class _Card(NamedTuple):
    """A painted picture with coverage, (1, 4, h, w) premultiplied; its first pixel's place, pixels."""

    picture: Tensor
    left: int
    top: int


class _Cast:
    """A light whose share at each vertex is known."""

    def __init__(self, light: Light, share: Tensor) -> None:
        self._light, self._share = light, share

    def key_share(self, vertices: Tensor, normals: Tensor, faces: Tensor) -> Tensor:
        return self._share

    def shade(self, surface: Surface) -> Tensor:
        return self._light.shade(surface)


class Torso:
    """The shoulders of one person in one light, as one phone sees them.

    Args:
        head: (N, 3) vertices of the head at rest; its lowest ones are the neck's rim.
        head_faces: (F, 3).
        light: of the room.
        intrinsics: (3, 3) of the phone.
        distance_mm: between phone and head, on average.
        seed: of the shirt.
    """

    def __init__(
        self, head: Tensor, head_faces: Tensor, light: RoomLight, intrinsics: Tensor, distance_mm: float, seed: int
    ) -> None:
        self._intrinsics, self._distance = intrinsics, distance_mm
        vertices, faces, uv = _mesh(head)
        everything = torch.cat([vertices, head])
        all_faces = torch.cat([faces, head_faces + len(vertices)])
        all_normals = vertex_normals(everything[None], all_faces)[0]
        share = light.key_share(everything, all_normals, all_faces)[: len(vertices)]
        depth = vertices[:, 1] - _RINGS[0, 0]
        occlusion = (0.3 + depth / 60.0).clamp(max=1.0)
        front = vertices[faces, 2].mean(1) < vertices[:, 2].mean()
        shirt, cast = _shirt(seed), _Cast(light, share)
        inside_too = [torch.arange(len(vertices))]
        renderers = [HeadRenderer(faces, uv, faces, occlusion, inside_too)]
        renderers.append(HeadRenderer(faces[front], uv, faces[front], occlusion))
        self._behind, self._before = (
            self._paint(renderer, vertices, all_normals[: len(vertices)], shirt, cast) for renderer in renderers
        )

    def behind(self, picture: Tensor, place: Tensor) -> Tensor:
        """Lays the whole torso over a picture (H, W, 3): place (3,) is where its origin is, camera frame, mm."""
        return self._lay(self._behind, picture, place)

    def before(self, picture: Tensor, place: Tensor) -> Tensor:
        """Lays its front half over a picture that has the head in it already."""
        return self._lay(self._before, picture, place)

    def _paint(self, renderer: HeadRenderer, vertices: Tensor, normals: Tensor, shirt: Tensor, light: Light) -> _Card:
        wide = self._intrinsics.clone()
        wide[:2, 2] += _CARD_MARGIN_PX
        width, height = (int(2 * float(value) + 1) + 2 * _CARD_MARGIN_PX for value in self._intrinsics[:2, 2])
        placed = vertices + torch.tensor([0.0, 0.0, self._distance])
        layer = renderer.render(placed, normals, wide, height, width, shirt, light)
        picture = torch.cat([layer.colour, layer.coverage], dim=2).permute(2, 0, 1)[None].contiguous()
        return _Card(picture, layer.left - _CARD_MARGIN_PX, layer.top - _CARD_MARGIN_PX)

    def _lay(self, card: _Card, picture: Tensor, place: Tensor) -> Tensor:
        rows, columns = card.picture.shape[2:]
        if not rows or not columns:
            return picture
        scale = float(place[2]) / self._distance
        focal, centre = self._intrinsics.diagonal()[:2], self._intrinsics[:2, 2]
        shift = centre * (1.0 - scale) - focal * place[:2] / self._distance
        first = max(int((card.top - float(shift[1])) / scale) - 1, 0)
        if first >= len(picture):
            return picture
        x = torch.arange(picture.shape[1]) * scale + shift[0] - card.left
        y = torch.arange(first, len(picture)) * scale + shift[1] - card.top
        down, right = torch.meshgrid((2 * y + 1) / rows - 1, (2 * x + 1) / columns - 1, indexing="ij")
        grid = torch.stack([right, down], dim=-1)
        laid = grid_sample(card.picture, grid[None], align_corners=False)[0].permute(1, 2, 0)
        below = picture[first:] * (1.0 - laid[..., 3:]) + laid[..., :3]
        return torch.cat([picture[:first], below])


def _mesh(head: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rings around the neck and down: vertices (n, 3), faces (f, 3), uv (n, 2)."""
    rim = head[head[:, 1] > head[:, 1].amax() - 12.0]
    low, high = rim.amin(0), rim.amax(0)
    middle, half = 0.5 * (low + high).numpy(), 0.5 * (high - low).numpy()
    level = np.linspace(0.0, 1.0, ROWS) ** 1.6 * (_RINGS[-1, 0] - _RINGS[0, 0]) + _RINGS[0, 0]
    wide, deep = (half[axis] + np.interp(level, _RINGS[:, 0], _RINGS[:, column]) for axis, column in ((0, 1), (2, 2)))
    angle = 2.0 * np.pi * np.arange(COLUMNS + 1) / COLUMNS
    x = middle[0] + wide[:, None] * np.sin(angle)
    z = middle[2] + deep[:, None] * np.cos(angle)
    # a collar hangs lower in front
    y = level[:, None] - 9.0 * np.cos(angle) * np.exp(-(level[:, None] - _RINGS[0, 0]) / 25.0)
    first = (np.arange(ROWS - 1)[:, None] * (COLUMNS + 1) + np.arange(COLUMNS)).ravel()
    below = first + COLUMNS + 1
    faces = np.concatenate([np.stack([first, first + 1, below], 1), np.stack([first + 1, below + 1, below], 1)])
    v, u = np.meshgrid((level - level[0]) / (level[-1] - level[0]), angle / (2.0 * np.pi), indexing="ij")
    vertices, uv = np.stack([x, y, z], -1).reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2)
    return torch.from_numpy(vertices).float(), torch.from_numpy(faces), torch.from_numpy(uv).float()


def _shirt(seed: int, size: int = 256) -> Tensor:
    """Cloth of one colour with a darker collar and a weave: (4, size, size)."""
    rng = np.random.default_rng([seed, 808])
    colour = rng.uniform(0.03, 0.4, 3)
    weave = 1.0 + 0.08 * rng.standard_normal((size, size)) + 0.06 * np.sin(np.arange(size) * 1.9)[None, :]
    collar = np.where(np.arange(size)[:, None] < 0.04 * size, 0.6, 1.0)
    cloth = colour[:, None, None] * (weave * collar)[None]
    return torch.from_numpy(np.concatenate([cloth, np.zeros((1, size, size))])).float().clamp(0.0, 1.0)
