"""Texture coordinates: what is only drawn is kept off the texels of what is tracked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN = 0.03
"""Share of a cell that stays empty on each side, so that filtering does not mix neighbours."""

SHARED = 0.05
"""Where parts meet, texels are shared; more than this share of what is drawn is an overlap."""


class UvMap(NamedTuple):
    """uv (M, 2) in [0, 1] and uv_faces (F, 3) into it."""

    uv: Floats
    uv_faces: Ints


def pack_tiles(uv: Floats, uv_faces: Ints, tile_of_face: Ints) -> UvMap:
    """Lay tiles beside each other: tile 0 keeps the corner at (0, 0) and most of the space, the others get cells.

    Tile 0, what is tracked, is scaled to the square [0, s] x [0, s]; the cells, squares of 1 - s, line the right and
    the upper edge. s is as large as the number of tiles lets it be. Each tile fills its place by its own extent, so
    tiles that lay a whole number apart, or on each other, come to lie apart.

    Args:
        uv: (M, 2), any numbers; uv_faces: (F, 3); tile_of_face: (F,), tile of each triangle, 0 and up.
    """
    tiles = [int(tile) for tile in np.unique(tile_of_face)]
    others = [tile for tile in tiles if tile != 0]
    cell = _cell_size(len(others), 0 in tiles)
    places = _cells(cell, 0 in tiles)
    packed, faces, first = [], np.empty_like(uv_faces), 0
    for tile in tiles:
        chosen = tile_of_face == tile
        used, index = np.unique(uv_faces[chosen], return_inverse=True)
        corner, size = ((0.0, 0.0), 1.0 - cell) if tile == 0 else (next(places), cell)
        packed.append(_fit(uv[used], corner, size, tile == 0))
        faces[chosen] = first + index.reshape(-1, 3)
        first += len(used)
    return UvMap(np.concatenate(packed), faces)


def _fit(uv: Floats, corner: tuple[float, float], size: float, tracked: bool) -> Floats:
    """A tile's coordinates in the square at ``corner``; one that already lies in a unit square keeps its scale."""
    low, extent = uv.min(0), np.maximum(uv.max(0) - uv.min(0), 1e-9)
    base = np.floor(low + 1e-6)
    if np.all(uv.max(0) <= base + 1.0 + 1e-6):
        low, extent = base, np.ones(2)
    inside = np.clip((uv - low) / extent, 0.0, 1.0)
    margin = 0.0 if tracked and size == 1.0 else MARGIN * (0.1 if tracked else 1.0)
    return np.asarray(corner) + size * (margin + (1.0 - 2.0 * margin) * inside)


def _cell_size(count: int, lining: bool) -> float:
    """The size of ``count`` cells that line two edges of the unit square, or fill it; 0 for none."""
    if count == 0:
        return 0.0
    return 1.0 / (max(6, math.ceil((count + 1) / 2)) if lining else math.ceil(count**0.5))


def _cells(size: float, lining: bool) -> Iterator[tuple[float, float]]:
    """The corners of the cells: the right column and the upper row, or the whole square."""
    along = round(1.0 / size) if size else 0
    edge = 1.0 - size
    if lining:
        yield from ((edge, row * size) for row in range(along))
        yield from ((column * size, edge) for column in range(along - 1))
    else:
        yield from ((column * size, row * size) for row in range(along) for column in range(along))


def cylindrical(neutral: Floats, faces: Ints) -> UvMap:
    """Texture coordinates by projection from the head's axis: u goes round it, v down it.

    The axis is upright through the middle of the vertices' extent. The seam is at the back; triangles across it get
    corners of their own. Where the surface turns back under itself as seen from the axis (behind the ears, in the
    nostrils and between the lips) two places share a texel.

    Args:
        neutral: (N, 3) mm, head frame; faces: (F, 3).
    """
    middle = (neutral.min(0) + neutral.max(0)) / 2.0
    x, y, z = (neutral - middle).T
    u = 0.5 + np.arctan2(x, -z) / (2.0 * np.pi)  # 0.5 in front, growing to the subject's left
    v = (y - y.min()) / max(float(y.max() - y.min()), 1e-9)
    corner = u[faces]
    wraps = corner.max(1) - corner.min(1) > 0.5
    lifted = corner + (wraps[:, None] & (corner < 0.5))
    pairs = np.stack([faces.reshape(-1).astype(np.float64), lifted.reshape(-1)], axis=1)
    unique, index = np.unique(pairs, axis=0, return_inverse=True)
    uv = np.stack([unique[:, 1], v[unique[:, 0].astype(np.int64)]], axis=1)
    uv[:, 0] = (uv[:, 0] - uv[:, 0].min()) / max(float(uv[:, 0].max() - uv[:, 0].min()), 1.0)
    return UvMap(np.clip(uv, 0.0, 1.0), index.reshape(-1, 3))


def fit_uv(uv: Floats, uv_faces: Ints, part_of_face: Ints, tracked: int) -> tuple[UvMap, tuple[str, ...]]:
    """Texture coordinates as they are where they lie in [0, 1] and nothing drawn lies on what is tracked, else packed.

    Returns:
        them, and a note for the user where they were packed: a texture painted for the file does not fit any more.
    """
    inside = len(uv) == 0 or (uv.min() >= 0.0 and uv.max() <= 1.0)
    if inside and shared_share(uv, uv_faces, part_of_face == tracked) < SHARED:
        return UvMap(uv, uv_faces), ()
    packed = pack_tiles(uv, uv_faces, tiles_of_parts(part_of_face, tracked))
    note = "its texture coordinates overlap or leave [0, 1] and were packed anew: its own textures do not fit them"
    return packed, (note,)


def shared_share(uv: Floats, uv_faces: Ints, tracked: NDArray[np.bool_], cells: int = 256) -> float:
    """The share of what is drawn only that lies on texels of what is tracked, by seven points a triangle."""
    if tracked.all() or not tracked.any():
        return 0.0
    corner = np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4], [2, 2, 2], [3, 3, 1], [3, 1, 3], [1, 3, 3]], dtype=np.float64)
    points = np.einsum("kc,fcd->fkd", corner / corner.sum(1, keepdims=True), uv[uv_faces])
    cell = np.floor(points * cells).astype(np.int64) @ np.array([1, 1 << 20])
    return float(np.isin(cell[~tracked], cell[tracked]).mean())


def tiles_of_parts(part_of_face: Ints, tracked: int) -> Ints:
    """One tile a part, 0 for the tracked one: (F,)."""
    others = [part for part in np.unique(part_of_face) if part != tracked]
    tile = np.zeros(len(part_of_face), dtype=np.int64)
    for number, part in enumerate(others, start=1):
        tile[part_of_face == part] = number
    return tile
