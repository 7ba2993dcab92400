"""What an expression adds to the albedo: darker lines where skin folds, driven by the expression weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from steadyface.studio.fields import bump, mirror_name
from steadyface.studio.layout import Floats
from steadyface.studio.palette import Noise
from steadyface.studio.surface import smoothstep

Map = Callable[[Floats, Noise], Floats]

TINT: Floats = np.array([0.42, 0.58, 0.60])
"""How much a fold of strength 1 darkens the albedo, RGB."""


def _fold(distance: Floats, half_width: float) -> Floats:
    """A dark line with the lit ridges beside it; distance in mm."""
    near = (distance / half_width) ** 2
    return np.exp(-near) - 0.28 * np.exp(-near / 7.0)


def _path_distance(points: Floats, path: Floats) -> tuple[Floats, Floats]:
    """Distance (mm, in x and y) to a polyline (n, 2), and how far along it, 0..1."""
    flat = points[..., :2]
    best, along = np.full(flat.shape[:-1], np.inf), np.zeros(flat.shape[:-1])
    for step, (start, end) in enumerate(pairwise(path)):
        axis = end - start
        share = np.clip((flat - start) @ axis / (axis @ axis), 0.0, 1.0)
        distance = np.linalg.norm(flat - start - share[..., None] * axis, axis=-1)
        closer = distance < best
        best = np.where(closer, distance, best)
        along = np.where(closer, (step + share) / (len(path) - 1), along)
    return best, along


def _path_fold(path: list[tuple[float, float]], half_width: float) -> Map:
    def draw(points: Floats, noise: Noise) -> Floats:
        distance, along = _path_distance(points, np.array(path))
        ends = smoothstep(along, 0.0, 0.2) * (1.0 - smoothstep(along, 0.8, 1.0))
        return _fold(distance, half_width) * ends * (points[..., 2] < -40.0)

    return draw


def _forehead(centre_x: float, reach: float) -> Map:
    def draw(points: Floats, noise: Noise) -> Floats:
        x, y = points[..., 0], points[..., 1]
        flat = np.abs(points) * [1.0, 0.25, 0.0]  # the same on both sides, so that the maps join
        wave = 1.6 * noise(flat, 16.0, smooth=True) - 2.2 * np.cos(x / 17.0)
        levels = ((-47, 0.7), (-55, 1.0), (-63, 0.9), (-71, 0.6))
        lines = sum(_fold(y - level - wave, 1.1) * depth for level, depth in levels)
        window = bump(points, (centre_x, -58.0, -90.0), (reach, 26.0, 60.0)) ** 0.5
        return lines * window * np.clip(1.0 + 0.3 * noise(flat, 9.0), 0.3, 1.5)

    return draw


def _crows_feet(points: Floats, noise: Noise) -> Floats:
    rays = [(52.0, -20.0, 64.0, -27.0), (53.0, -14.5, 66.0, -15.5), (52.0, -8.5, 64.0, -3.0), (50.0, -4.0, 60.0, 4.0)]
    return sum(
        (_path_fold([(a, b), ((a + c) / 2, (b + d) / 2 - 0.6), (c, d)], 0.9)(points, noise) for a, b, c, d in rays),
        np.zeros(points.shape[:-1]),
    )


def _bunny_lines(points: Floats, noise: Noise) -> Floats:
    x, y = points[..., 0], points[..., 1]
    lines = sum(_fold(y - level - 0.45 * x, 0.9) for level in (-9.0, -5.0, -1.0))
    return lines * bump(points, (9.0, 1.0, -96.0), (9.0, 12.0, 30.0)) ** 0.5


def _pucker_lines(points: Floats, noise: Noise) -> Floats:
    x, y, _ = np.moveaxis(points, -1, 0)
    angle = np.arctan2(y - 53.0, 0.8 * x)
    rays = np.clip(np.sin(angle * 26.0 + noise(points, 8.0)), 0.0, 1.0) ** 2
    around = bump(points, (0.0, 53.0, -100.0), (34.0, 20.0, 40.0))
    lips = bump(points, (0.0, 53.0, -105.0), (20.0, 9.0, 30.0))
    return 0.7 * rays * around * (1.0 - lips)


def _chin_pits(points: Floats, noise: Noise) -> Floats:
    pits = np.clip(noise(points, 3.2, smooth=True), 0.0, 1.5)
    return 0.7 * pits * bump(points, (0.0, 80.0, -102.0), (24.0, 16.0, 30.0))


_MIDDLE: tuple[tuple[Map, dict[str, float]], ...] = (
    (_forehead(0.0, 34.0), {"browInnerUp": 1.0}),
    (_pucker_lines, {"mouthPucker": 1.0, "mouthFunnel": 0.4, "mouthRollUpper": 0.3}),
    (_chin_pits, {"mouthShrugLower": 1.0, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4}),
)

_LEFT: tuple[tuple[Map, dict[str, float]], ...] = (
    (_forehead(36.0, 30.0), {"browOuterUpLeft": 1.0}),
    (_path_fold([(6.0, -46.0), (5.5, -38.0), (6.0, -31.0), (7.0, -25.0)], 1.1), {"browDownLeft": 1.0}),
    (_crows_feet, {"mouthSmileLeft": 0.45, "eyeSquintLeft": 0.7, "cheekSquintLeft": 0.6, "eyeBlinkLeft": 0.15}),
    (
        _path_fold([(15.0, 18.0), (19.5, 24.0), (25.0, 33.0), (30.0, 42.0), (33.0, 51.0), (33.0, 58.0)], 1.9),
        {"mouthSmileLeft": 0.9, "noseSneerLeft": 0.6, "mouthUpperUpLeft": 0.6, "mouthDimpleLeft": 0.4},
    ),
    (
        _path_fold([(17.0, -6.0), (24.0, -1.0), (32.0, 0.5), (40.0, -1.0), (47.0, -5.0)], 1.4),
        {"eyeSquintLeft": 0.6, "cheekSquintLeft": 0.5, "mouthSmileLeft": 0.25},
    ),
    (_bunny_lines, {"noseSneerLeft": 1.0}),
    (
        _path_fold([(33.0, 44.0), (36.5, 51.0), (35.0, 60.0), (31.0, 68.0)], 1.3),
        {"mouthDimpleLeft": 1.0, "mouthStretchLeft": 0.8, "mouthSmileLeft": 0.35, "mouthFrownLeft": 0.5},
    ),
)


def wrinkle_maps(points: Floats, noise: Noise) -> NDArray[np.float32]:
    """One map for each driven fold: points (h, w, 3) mm, symmetric in its columns -> (K, h, w)."""
    height, width = points.shape[:2]
    face = (slice(int(0.1 * height), int(0.95 * height)), slice(width // 5, width - width // 5))
    maps = [draw(points[face], noise) for draw, _ in _MIDDLE]
    for draw, _ in _LEFT:
        left = draw(points[face], noise)
        maps += [left, left[:, ::-1]]
    full = np.zeros((len(maps), height, width), dtype=np.float32)
    full[:, *face] = np.stack(maps)
    return full


def wrinkle_drivers(expression_names: tuple[str, ...]) -> Floats:
    """(E, K) how much each expression drives each map of ``wrinkle_maps``."""
    drivers = [drive for _, drive in _MIDDLE]
    for _, drive in _LEFT:
        drivers += [drive, {mirror_name(name): amount for name, amount in drive.items()}]
    table = np.zeros((len(expression_names), len(drivers)))
    for index, drive in enumerate(drivers):
        for name, amount in drive.items():
            table[expression_names.index(name), index] = amount
    return table
