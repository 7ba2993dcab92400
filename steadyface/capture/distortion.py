"""Lens distortion undone, so that everything behind the reader is a pinhole camera."""

from __future__ import annotations

import numpy as np
import torch
from kornia.geometry.calibration import undistort_image
from numpy.typing import NDArray

from steadyface.capture.krt import Camera


def is_distorted(camera: Camera) -> bool:
    """Whether any of the five distortion values is not zero."""
    return bool(np.any(camera.distortion != 0))


def undistort(image: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """The (H, W, 3) uint8 picture that ``camera`` would take through a lens without distortion.

    Model: OpenCV's, k1 k2 p1 p2 k3; K stays. Bilinear; black where the lens saw nothing.
    """
    if not is_distorted(camera):
        return image
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    intrinsics, distortion = (
        torch.from_numpy(camera.intrinsics)[None],
        torch.from_numpy(camera.distortion)[None],
    )
    straight = undistort_image(pixels, intrinsics, distortion)[0].permute(1, 2, 0)
    return straight.round().clamp(0, 255).byte().numpy()
