"""Packed tiles share no texel, by drawing every triangle."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from steadyface.rigs.uv_tiles import cylindrical, fit_uv, pack_tiles, shared_share

SIZE = 120


def covered(uv: NDArray[np.float64], uv_faces: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The texels whose centres triangles cover, (SIZE, SIZE), one triangle and one texel at a time."""
    seen = np.zeros((SIZE, SIZE), dtype=bool)
    centres = np.stack(np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), -1) / SIZE
    for a, b, c in uv[uv_faces]:
        u, v = b - a, c - a
        area = u[0] * v[1] - u[1] * v[0]
        if abs(area) < 1e-12:
            continue
        p = centres - a
        s, t = (p[..., 0] * v[1] - p[..., 1] * v[0]) / area, (u[0] * p[..., 1] - u[1] * p[..., 0]) / area
        seen |= (s >= 0) & (t >= 0) & (s + t <= 1)
    return seen


def square(u: float, v: float) -> NDArray[np.float64]:
    return np.array([[u, v], [u + 1, v], [u + 1, v + 1], [u, v + 1]])


@pytest.mark.parametrize("count", [1, 2, 6, 12, 14])
def test_tiles_lie_apart_whatever_they_lay_on(count: int) -> None:
    uv = np.concatenate([square(0, 0), *[square(k % 3, 0) for k in range(count - 1)]])
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(count)])
    tile = np.repeat(np.arange(count), 2)
    packed = pack_tiles(uv, faces, tile)
    assert packed.uv.min() >= 0 and packed.uv.max() <= 1
    seen = [covered(packed.uv, packed.uv_faces[tile == k]) for k in range(count)]
    assert np.sum(seen, axis=0).max() == 1
    assert seen[0].mean() > (0.6 if count <= 12 else 0.5)
    assert all(picture.any() for picture in seen)


def test_a_tile_keeps_its_inside() -> None:
    """Packing is one scale and one shift for all of a tile that lies in a unit square."""
    uv = np.concatenate([np.random.rand(9, 2), 2.0 + np.random.rand(9, 2)])
    faces = np.arange(18).reshape(6, 3)
    packed = pack_tiles(uv, faces, np.repeat([0, 1], 3))
    for rows in (slice(0, 9), slice(9, 18)):
        before, after = uv[rows], packed.uv[packed.uv_faces.reshape(-1)[rows]]
        scale = np.ptp(after, 0) / np.ptp(before, 0)
        np.testing.assert_allclose(after - after[0], (before - before[0]) * scale, atol=1e-12)
        np.testing.assert_allclose(scale[0], scale[1])


def test_fit_leaves_good_coordinates_alone() -> None:
    uv = np.concatenate([square(0, 0) * 0.5, square(1, 0) * 0.5])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    parts = np.array([0, 0, 1, 1])
    same, notes = fit_uv(uv, faces, parts, 0)
    assert notes == () and same.uv is uv
    overlapping = np.concatenate([square(0, 0) * 0.5, square(0, 0) * 0.5])
    assert shared_share(overlapping, faces, parts == 0) == 1.0
    moved, notes = fit_uv(overlapping, faces, parts, 0)
    assert len(notes) == 1
    assert not (covered(moved.uv, moved.uv_faces[:2]) & covered(moved.uv, moved.uv_faces[2:])).any()


def test_cylinder_has_its_seam_behind_and_no_triangle_across() -> None:
    turn = np.linspace(-np.pi, np.pi, 24, endpoint=False)
    rings = [np.stack([70 * np.sin(turn), 0 * turn + y, -90 * np.cos(turn)], 1) for y in (-100.0, 0.0, 100.0)]
    neutral = np.concatenate(rings)
    quads = [(r * 24 + k, r * 24 + (k + 1) % 24) for r in range(2) for k in range(24)]
    faces = np.array([t for a, b in quads for t in ((a, a + 24, b + 24), (a, b + 24, b))])
    laid = cylindrical(neutral, faces)
    corners = laid.uv[laid.uv_faces]
    assert np.ptp(corners[..., 0], axis=1).max() < 0.1
    assert laid.uv.min() >= 0 and laid.uv.max() <= 1
    assert sum(covered(laid.uv, laid.uv_faces[k : k + 1]).sum() for k in range(len(faces))) == pytest.approx(
        covered(laid.uv, laid.uv_faces).sum(), rel=0.02
    )  # nothing lies on anything else
    front = laid.uv[laid.uv_faces][(neutral[faces][..., 2] < -85).all(1)]
    assert abs(front[..., 0].mean() - 0.5) < 0.03
