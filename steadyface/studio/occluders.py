"""Things that come between a camera and a face: painted from a seed, with soft edges.

A shape is a function from a grid of coordinates to a signed distance (negative inside), and a paint that
colours it. To add one, write both and give them an entry in ``SHAPES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.floating]

_EDGE_PX = 2.0  # width of the soft edge: a lens is never sharper at what is near to it


class Sprite(NamedTuple):
    """A painted thing: colour (h, w, 3) in 8-bit sRGB levels, alpha (h, w) in [0, 1], both float32."""

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]


class Shape(NamedTuple):
    """Signed distance and paint over a square grid x, y of [-1, 1]; both may draw from the generator."""

    distance: Callable[[Grid, Grid, np.random.Generator], Grid]
    paint: Callable[[Grid, Grid, np.random.Generator], Grid]


def paint_occluder(shape: str, side: int, seed: int) -> Sprite:
    """A thing that fills a square.

    Args:
        shape: a name of ``SHAPES``.
        side: of the square, pixels.
        seed: of its form, colour and texture.
    """
    rng = np.random.default_rng([seed, 303])
    axis = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    kind = SHAPES[shape]
    distance = kind.distance(x, y, rng)
    alpha = np.clip(0.5 - distance * side / (2.0 * _EDGE_PX), 0.0, 1.0)
    colour = np.clip(kind.paint(x, y, rng), 0.0, 255.0)
    return Sprite(colour.astype(np.float32), alpha.astype(np.float32))


def _capsule(x: Grid, y: Grid, start: tuple[float, float], end: tuple[float, float], radius: float) -> Grid:
    """Distance to a line with round ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / max(dx * dx + dy * dy, 1e-6)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - radius


def _box(x: Grid, y: Grid, half_width: float, half_height: float, corner: float) -> Grid:
    """Distance to a rectangle around the origin with round corners."""
    outside_x, outside_y = np.abs(x) - half_width + corner, np.abs(y) - half_height + corner
    outer = np.hypot(np.maximum(outside_x, 0.0), np.maximum(outside_y, 0.0))
    return outer + np.minimum(np.maximum(outside_x, outside_y), 0.0) - corner


def _hand(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """A palm and four fingers, upright."""
    parts = [np.hypot(x / 1.05, y - 0.35) - 0.5, _capsule(x, y, (-0.45, 0.4), (-0.85, -0.05), 0.13)]
    for place, reach in zip((-0.38, -0.13, 0.13, 0.37), (-0.65, -0.82, -0.76, -0.55), strict=True):
        lean = place * rng.uniform(1.0, 1.5)
        parts.append(_capsule(x, y, (place, 0.2), (lean, reach), 0.115))
    return np.minimum.reduce(parts)


def _forearm(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """A forearm across, with the fist at its end."""
    tilt = rng.uniform(-0.35, 0.35)
    arm = _capsule(x, y, (-1.2, 0.1 - tilt), (0.45, 0.1 + 0.4 * tilt), 0.34)
    return np.minimum(arm, np.hypot((x - 0.5) / 1.05, y - 0.1 - 0.4 * tilt) - 0.44)


def _paper(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """A sheet with an oblique corner torn off, a little turned."""
    turn = rng.uniform(-0.4, 0.4)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.maximum(_box(u, v, 0.62, 0.74, 0.01), 0.7 * (u + v) - 0.62)


def _skin(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """A skin tone with shading across and blotches: the colour is no clue that this is not the face."""
    tone = np.array([205.0, 155.0, 130.0]) * rng.uniform(0.45, 1.1) + rng.uniform(-8.0, 8.0, 3)
    shade = 1.0 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.25, 0.25) * y
    blotch = sum(
        rng.uniform(0.01, 0.03) * np.sin(f * x + rng.uniform(0, 6)) * np.sin(f * y + rng.uniform(0, 6))
        for f in (5.0, 11.0, 23.0)
    )
    creases = 0.06 * np.exp(-np.square(np.sin(9.0 * y + 2.0 * x)) / 0.02)
    return (shade + blotch - creases)[..., None] * tone


def _dark(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """Dark and glossy: a cup with its highlight."""
    tone = rng.uniform(8.0, 45.0, 3)
    gloss = np.exp(-np.square((x + 0.35) / 0.09)) * 70.0
    return tone + gloss[..., None] + 6.0 * y[..., None]


def _stripes(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """Stripes of two strong colours, across one another."""
    one, two = rng.uniform(20.0, 235.0, 3), rng.uniform(20.0, 235.0, 3)
    turn, count = rng.uniform(0.0, np.pi), rng.uniform(10.0, 18.0)
    share = 0.5 + 0.5 * np.sign(np.sin(count * (x * np.cos(turn) + y * np.sin(turn))))
    share = np.where(np.sin(0.5 * count * (y * np.cos(turn) - x * np.sin(turn))) > 0, share, 0.7 * share)
    return share[..., None] * one + (1.0 - share[..., None]) * two


def _screen(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """A phone seen from the front: a dark rim around blocks of colour."""
    cells = rng.uniform(20.0, 240.0, (7, 4, 3))
    row = np.clip(((y + 0.9) / 1.8 * 7).astype(int), 0, 6)
    column = np.clip(((x + 0.5) * 4).astype(int), 0, 3)
    return np.where((_box(x, y, 0.44, 0.84, 0.04) < 0)[..., None], cells[row, column], rng.uniform(5.0, 40.0))


def _print(x: Grid, y: Grid, rng: np.random.Generator) -> Grid:
    """White paper with lines of dark words."""
    words = np.sin(37.0 * x + 5.0 * np.sin(31.0 * np.floor(9.0 * y))) > -0.55
    lines = np.mod(9.0 * y, 1.0) < rng.uniform(0.35, 0.55)
    ink = (words & lines & (np.abs(x) < 0.5))[..., None]
    return np.where(ink, 50.0, np.array([232.0, 228.0, 215.0]) * rng.uniform(0.7, 1.05))


SHAPES: dict[str, Shape] = {
    "hand": Shape(_hand, _skin),
    "cup": Shape(lambda x, y, _: _box(x, y, 0.62, 0.85, 0.2), _dark),
    "ball": Shape(lambda x, y, _: np.hypot(x, y) - 0.85, _stripes),
    "forearm": Shape(_forearm, _skin),
    "phone": Shape(lambda x, y, _: _box(x, y, 0.5, 0.95, 0.1), _screen),
    "paper": Shape(_paper, _print),
}
"""Name -> shape. The first three stand in the calibration's conditions, the others in the test's."""
