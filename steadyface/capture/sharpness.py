"""How blurred a picture is, without a sharp one to compare it with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from steadyface.capture.crop import Box, crop_image

HEAD_PX = 128
"""Blur is stated for a head crop of this side, whatever its size in the picture."""

LARGEST_PX = 9.0
"""No more than this is told apart."""

_FINE, _COARSE = 0.8, 2.0  # sigmas of the two scales that are compared, px
_EDGES_TO_FACES = 1.35
# Faces are not made of straight edges alone. Measured on three synthetic and four real heads, blurred by sigmas of 1 to
# 4 px: the edges' formula gives 0.68 to 0.90 of the sigma.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_INNER = 0.2  # of the crop's sides that is left out: background


def head_blur_px(image: NDArray[np.uint8], head: Box) -> float:
    """The blur of a head as the sigma of a Gaussian, in pixels of a crop of `HEAD_PX`.

    Args:
        image: (H, W, 3) sRGB.
        head: x, y, w, h in pixels.
    """
    return blur_px(crop_image(image, head, HEAD_PX))


def blur_px(crop: NDArray[np.uint8]) -> float:
    """The sigma of the Gaussian by which the middle of a picture is blurred, in its pixels; 0 to `LARGEST_PX`.

    The energy of an edge's gradient falls with one over its blur. Two further blurs a and b of known sigma give
    the ratio of energies ``r = sqrt((s^2 + b^2) / (s^2 + a^2))``, whatever the contrast, hence s.

    Shapes: (S, S, 3) uint8 sRGB.
    """
    grey = crop.astype(np.float32) @ _LUMA
    fine, coarse = _gradient_energy(grey, _FINE), _gradient_energy(grey, _COARSE)
    squared = (fine / coarse) ** 2 if coarse > 1e-6 else 1.0
    if squared <= 1.0:
        return LARGEST_PX
    variance = (_COARSE**2 - squared * _FINE**2) / (squared - 1.0)
    return min(_EDGES_TO_FACES * float(np.sqrt(max(variance, 0.0))), LARGEST_PX)


def _gradient_energy(grey: NDArray[np.float32], sigma: float) -> float:
    rows, columns = np.gradient(gaussian_filter(grey, sigma, mode="nearest"))
    skip = round(_INNER * len(grey))
    inner = slice(skip, len(grey) - skip)
    return float((rows[inner, inner] ** 2 + columns[inner, inner] ** 2).mean())
