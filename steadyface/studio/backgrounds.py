"""Rooms behind the head: painted from a seed, out of focus, colourful, with detail at several scales."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

MARGIN_PX = 48
"""A room's picture is larger than the frame by this much on each side, for the camera's sway."""

Colour = tuple[float, float, float]


def paint_room(height: int, width: int, seed: int) -> Tensor:
    """A room as a camera sees it, linear RGB.

    Args:
        height, width: of the frame, pixels; the picture has MARGIN_PX more on each side.
        seed: of the room.

    Returns:
        (H + 2 MARGIN_PX, W + 2 MARGIN_PX, 3) in [0, 1].
    """
    rng = np.random.default_rng([seed, 202])
    rows, columns = height + 2 * MARGIN_PX, width + 2 * MARGIN_PX
    room = _wall(rng, rows, columns)
    parts: list[Callable[[np.random.Generator, Tensor], None]] = [_window, _picture, _shelves, _plant, _lamp]
    for index in rng.permutation(len(parts)):
        parts[index](rng, room)
    plaster, tint = _noise(rng, rows, columns, 1), _noise(rng, rows, columns, 3)
    room = room * (1.0 + 0.07 * plaster + 0.025 * tint)
    focus_px = 0.004 * rows * rng.uniform(0.8, 1.5)
    return _blur(room, focus_px).clamp(0.0, 1.0)


def _colour(rng: np.random.Generator, saturation: float, value: float) -> Colour:
    """A random hue, linear RGB."""
    phases = 2.0 * math.pi * (rng.random() + np.arange(3) / 3.0)
    red, green, blue = value * (1.0 + saturation * np.cos(phases))
    return float(red), float(green), float(blue)


def _fill(room: Tensor, top: float, left: float, bottom: float, right: float, colour: Colour) -> None:
    """Paints a rectangle given in shares of the picture."""
    rows, columns = room.shape[:2]
    box = room[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)]
    box[:] = torch.tensor(colour)


def _wall(rng: np.random.Generator, rows: int, columns: int) -> Tensor:
    """A wall with a gradient of light, and the floor's or table's edge low in the picture."""
    y = torch.linspace(0.0, 1.0, rows)[:, None, None]
    x = torch.linspace(-0.5, 0.5, columns)[None, :, None]
    base = torch.tensor(_colour(rng, 0.22, rng.uniform(0.2, 0.45)))
    tilt = rng.uniform(-0.5, 0.5)
    room = (base * (1.1 - 0.35 * y + tilt * x)).clone()
    _fill(room, rng.uniform(0.72, 0.88), 0.0, 1.0, 1.0, _colour(rng, 0.5, rng.uniform(0.06, 0.2)))
    return room


def _window(rng: np.random.Generator, room: Tensor) -> None:
    """Bright panes in a frame."""
    left, top = rng.uniform(-0.02, 0.08), rng.uniform(0.02, 0.15)
    right, bottom = left + rng.uniform(0.2, 0.32), top + rng.uniform(0.3, 0.42)
    _fill(room, top, max(left - 0.02, 0.0), bottom, right + 0.02, _colour(rng, 0.05, 0.5))
    middle = 0.5 * (top + bottom)
    for upper, lower in ((top + 0.02, middle - 0.008), (middle + 0.008, bottom - 0.02)):
        _fill(room, upper, max(left, 0.0), lower, right, (0.75, 0.85, 1.0))
        _fill(room, 0.4 * upper + 0.6 * lower, max(left, 0.0), lower, right, _colour(rng, 0.4, 0.4))


def _picture(rng: np.random.Generator, room: Tensor) -> None:
    """A framed picture of coloured fields."""
    left, top = rng.uniform(0.35, 0.6), rng.uniform(0.04, 0.12)
    width, height = rng.uniform(0.18, 0.3), rng.uniform(0.12, 0.2)
    _fill(room, top, left, top + height, left + width, _colour(rng, 0.2, 0.08))
    for _ in range(9):
        a, b = np.sort(rng.uniform(0.06, 0.94, 2)), np.sort(rng.uniform(0.06, 0.94, 2))
        colour = _colour(rng, 0.9, rng.uniform(0.1, 0.5))
        _fill(room, top + a[0] * height, left + b[0] * width, top + a[1] * height, left + b[1] * width, colour)


def _shelves(rng: np.random.Generator, room: Tensor) -> None:
    """Shelves with a row of books on each."""
    left, right = (0.62, 0.98) if rng.random() < 0.5 else (0.02, 0.4)
    top = rng.uniform(0.3, 0.42)
    step = rng.uniform(0.13, 0.17)
    for shelf in range(3):
        floor = top + (shelf + 1) * step
        _fill(room, floor - step + 0.01, left, floor, right, _colour(rng, 0.1, 0.07))
        at = left + 0.01
        while at < right - 0.03:
            thick, tall = rng.uniform(0.012, 0.04), rng.uniform(0.55, 0.92) * (step - 0.01)
            colour = _colour(rng, 0.75, rng.uniform(0.05, 0.3))
            _fill(room, floor - tall, at, floor, at + thick, colour)
            _fill(room, floor - 0.8 * tall, at, floor - 0.72 * tall, at + thick, _colour(rng, 0.3, 0.5))
            at += thick + (0.004 if rng.random() < 0.85 else 0.05)
        _fill(room, floor, left, floor + 0.012, right, _colour(rng, 0.4, 0.18))


def _ellipse(room: Tensor, x: float, y: float, rx: float, ry: float, angle: float, colour: Colour) -> None:
    rows, columns = room.shape[:2]
    dx = torch.linspace(0.0, 1.0, columns)[None, :] - x
    dy = (torch.linspace(0.0, 1.0, rows)[:, None] - y) * rows / columns
    across, along = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    room[(across / rx) ** 2 + (along / ry) ** 2 < 1.0] = torch.tensor(colour)


def _plant(rng: np.random.Generator, room: Tensor) -> None:
    """A pot with leaves."""
    x, y = rng.choice([0.12, 0.88]) + rng.uniform(-0.05, 0.05), rng.uniform(0.62, 0.75)
    for _ in range(26):
        angle = rng.uniform(-1.3, 1.3)
        reach = rng.uniform(0.05, 0.2)
        green = (0.05 * rng.random(), rng.uniform(0.08, 0.3), 0.07 * rng.random())
        at = (x + reach * math.sin(angle), y - 0.75 * reach * math.cos(angle))
        _ellipse(room, *at, 0.014, 0.6 * reach, angle, green)
    _fill(room, y, max(x - 0.06, 0.0), y + 0.12, min(x + 0.06, 1.0), _colour(rng, 0.6, 0.3))


def _lamp(rng: np.random.Generator, room: Tensor) -> None:
    """Warm lights far out of focus."""
    for _ in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.012, 0.03)
        bright = rng.uniform(0.6, 1.0)
        _ellipse(room, rng.random(), rng.uniform(0.02, 0.6), size, size, 0.0, (bright, 0.75 * bright, 0.4 * bright))


def _noise(rng: np.random.Generator, rows: int, columns: int, channels: int) -> Tensor:
    """Noise with equal strength at cells of several sizes: (rows, columns, channels)."""
    total = torch.zeros(1, channels, rows, columns)
    for cell in (160, 40, 12, 4):
        shape = (1, channels, rows // cell + 2, columns // cell + 2)
        grid = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        total += interpolate(grid, (rows, columns), mode="bicubic", align_corners=True)
    return total[0].permute(1, 2, 0)


def _blur(room: Tensor, deviation_px: float) -> Tensor:
    """Gaussian blur, the border held."""
    radius = math.ceil(2.5 * deviation_px)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / deviation_px) ** 2)
    taps = taps / taps.sum()
    planes = pad(room.permute(2, 0, 1).unsqueeze(1), [radius] * 4, mode="replicate")
    planes = conv2d(conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return planes.squeeze(1).permute(1, 2, 0).contiguous()
