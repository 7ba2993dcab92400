"""What a camera sees where there is no face: an empty room, a title card, a covered lens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from steadyface.studio.backgrounds import MARGIN_PX, paint_room

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

Paint = Callable[[int, int, int, np.random.Generator], Callable[[int], Pixels]]
"""height, width, frames, generator -> frame number -> what is seen there."""


def add_grain(image: Floats, sigma: float, seed: int, t: int) -> Pixels:
    """A picture (H, W, 3) in 8-bit levels with white noise of ``sigma`` levels, which the seed and the frame draw."""
    noise = np.random.default_rng([seed, t]).standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image + sigma * noise), 0, 255).astype(np.uint8)


def room_with_margin(height: int, width: int, seed: int) -> Floats:
    """A painted room with its margin, 8-bit sRGB levels."""
    linear = paint_room(height, width, seed).numpy()
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255.0 * encoded).astype(np.float32)


def room_frame(height: int, width: int, frames: int, rng: np.random.Generator) -> Callable[[int], Pixels]:
    """An empty room, the camera swaying."""
    seed, sway = int(rng.integers(2**31)), rng.uniform(0.0, 6.0, 2)
    room = room_with_margin(height, width, seed)

    def show(t: int) -> Pixels:
        x, y = (round(MARGIN_PX * (1.0 + 0.4 * np.sin(0.07 * t + phase))) for phase in sway)
        return add_grain(room[y : y + height, x : x + width], 2.0, seed, t)

    return show


def card_frame(height: int, width: int, frames: int, rng: np.random.Generator) -> Callable[[int], Pixels]:
    """A title card: a coloured ground that darkens downwards, and rows of bright letters."""
    ground, ink = rng.uniform(10.0, 190.0, 3), rng.uniform(150.0, 255.0, 3)
    card = (ground * np.linspace(1.1, 0.6, height)[:, None, None] * np.ones((1, width, 1))).astype(np.float32)
    letter = height // int(rng.integers(12, 22))
    for row in range(int(rng.integers(1, 4))):
        top = int(height * 0.35) + 2 * row * letter
        for left in range(width // 5, 4 * width // 5, letter):
            stroke = rng.random((5, 4)) < 0.6
            block = np.kron(stroke, np.ones((max(1, letter // 6), max(1, letter // 6))))[..., None]
            part = card[top : top + block.shape[0], left : left + block.shape[1]]
            part += block[: part.shape[0], : part.shape[1]] * (ink - part)
    seed = int(rng.integers(2**31))
    return lambda t: add_grain(card, 1.0, seed, t)


def dark_frame(height: int, width: int, frames: int, rng: np.random.Generator) -> Callable[[int], Pixels]:
    """A finger or a pocket before the lens: nearly black, reddish to one side, noisy."""
    glow = np.linspace(0.0, 1.0, width)[None, :, None] * np.array([rng.uniform(5.0, 70.0), 8.0, 5.0])
    dark = (rng.uniform(2.0, 12.0) + glow * np.ones((height, 1, 1))).astype(np.float32)
    seed = int(rng.integers(2**31))
    return lambda t: add_grain(dark, 3.0, seed, t)
