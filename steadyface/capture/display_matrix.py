"""The display matrix of a video track: how the stored picture is turned and mirrored to stand upright.

A phone writes it instead of turning the pixels (ISO/IEC 14496-12, ``tkhd``; FFmpeg's side data of the same name).
"""

from __future__ import annotations

from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame as AvFrame
from numpy.typing import NDArray

Matrix = tuple[int, int, int, int]
"""a, b, c, d: a stored point (x, y) is shown at (a x + c y, b x + d y), up to a shift; each is -1, 0 or 1."""

IDENTITY: Matrix = (1, 0, 0, 1)


def read_matrix(frame: AvFrame) -> Matrix:
    """The nearest of the eight ways to turn and mirror a picture; the identity where there is no matrix."""
    found = cast("dict[str, SideData]", frame.side_data).get("DISPLAYMATRIX")
    if found is None:
        return IDENTITY
    values = np.frombuffer(bytes(found), np.int32)[:9].astype(np.float64)  # 16.16, in the order a b u c d v x y w
    a, b, c, d = (float(values[place]) for place in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def swaps_sides(matrix: Matrix) -> bool:
    """Whether the width of the stored picture is the height of the upright one."""
    return matrix[0] == 0


def clockwise_deg(matrix: Matrix) -> int:
    """The turn in a matrix, clockwise; a mirror image is first mirrored left to right, then turned.

    >>> clockwise_deg((0, 1, -1, 0)), clockwise_deg((-1, 0, 0, -1)), clockwise_deg((-1, 0, 0, 1))
    (90, 180, 0)
    """
    a, b, c, d = matrix
    mirror = -1 if a * d - b * c < 0 else 1
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[(a * mirror, b * mirror)]


def upright(image: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.uint8]:
    """The picture as a player shows it; rows without padding.

    Shapes: (H, W, C) -> (H, W, C), or (W, H, C) where the matrix swaps the sides.
    """
    a, b, c, d = matrix
    if swaps_sides(matrix):
        image = image.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(image[::down, ::across])
