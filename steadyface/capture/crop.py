"""A box of an image, resampled to a square: the pixels that ``cameras.crop_intrinsics`` speaks of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
"""Left edge, top edge, width, height in pixels of the frame; the frame's own left edge is 0."""


def crop_image(image: NDArray[np.uint8], box: Sequence[float], size: int) -> NDArray[np.uint8]:
    """Cuts ``box`` out and resamples it to size x size pixels; black where it leaves the image.

    A pixel centre x of the image lands on ``(x + 0.5 - box_x) * size / box_width - 0.5``. The
    filter is a triangle as wide as an output pixel, at least two input pixels: no aliasing when
    shrinking, bilinear when enlarging.

    Shapes: image (H, W, 3) uint8 -> (size, size, 3) uint8.

    Raises:
        ValueError: a box without area.
    """
    left, top, width, height = (float(value) for value in box)
    if not (width > 0 and height > 0):
        raise ValueError(f"a box needs a positive width and height, got {width} x {height}")
    reach = math.ceil(max(width, height) / size) + 1  # how far the filter looks beyond the box
    x0, y0 = math.floor(left) - reach, math.floor(top) - reach
    x1, y1 = math.ceil(left + width) + reach, math.ceil(top + height) + reach
    source = _padded(image, x0, y0, x1, y1)
    inner = (left - x0, top - y0, left - x0 + width, top - y0 + height)
    resized = Image.fromarray(source).resize((size, size), Image.Resampling.BILINEAR, box=inner)
    return np.array(resized)


def square_box(left: float, top: float, right: float, bottom: float, scale: float) -> Box:
    """The square around the centre of a rectangle, ``scale`` times its larger side.

    >>> square_box(10, 20, 30, 60, 1.5)
    (-10.0, 10.0, 60.0, 60.0)
    """
    side = scale * max(right - left, bottom - top)
    return ((left + right - side) / 2, (top + bottom - side) / 2, side, side)


def _padded(image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
    """Columns x0..x1 and rows y0..y1, black where the image has none."""
    height, width = image.shape[:2]
    inner = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return np.ascontiguousarray(inner)
    padded = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
    row, column = max(-y0, 0), max(-x0, 0)
    padded[row : row + inner.shape[0], column : column + inner.shape[1]] = inner
    return padded
