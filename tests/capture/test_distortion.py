from __future__ import annotations

import numpy as np

from steadyface.capture.distortion import is_distorted, undistort
from steadyface.capture.krt import Camera

DISTORTION = np.array([-0.25, 0.08, 0.004, -0.006, 0.02])


def camera(distortion: np.ndarray) -> Camera:
    intrinsics = np.array([[40.0, 0.0, 22.0], [0.0, 44.0, 17.0], [0.0, 0.0, 1.0]])
    return Camera("c", intrinsics, distortion, np.eye(3), np.zeros(3))


def slow(image: np.ndarray, lens: Camera) -> np.ndarray:
    """OpenCV's model, pixel by pixel: where does the straight ray of this pixel fall on the sensor?"""
    height, width = image.shape[:2]
    k1, k2, p1, p2, k3 = lens.distortion
    (fx, _, cx), (_, fy, cy), _ = lens.intrinsics
    out = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            x, y = (column - cx) / fx, (row - cy) / fy
            r2 = x * x + y * y
            radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
            u = fx * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + cx
            v = fy * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) + cy
            left, top = int(np.floor(u)), int(np.floor(v))
            for dy in (0, 1):
                for dx in (0, 1):
                    if 0 <= left + dx < width and 0 <= top + dy < height:
                        weight = (1 - abs(u - left - dx)) * (1 - abs(v - top - dy))
                        out[row, column] += weight * image[top + dy, left + dx]
    return out


def test_matches_a_slow_loop() -> None:
    image = np.random.default_rng(0).integers(0, 256, (36, 48, 3), dtype=np.uint8)
    lens = camera(DISTORTION)
    straight, expected = undistort(image, lens), slow(image, lens)
    assert straight.dtype == np.uint8 and straight.shape == image.shape
    assert np.abs(straight - expected).max() <= 0.51
    assert np.abs(straight.astype(float) - image).mean() > 10  # it does something


def test_a_straight_lens_returns_the_image_itself() -> None:
    image = np.ones((4, 5, 3), np.uint8)
    assert undistort(image, camera(np.zeros(5))) is image
    assert is_distorted(camera(DISTORTION)) and not is_distorted(camera(np.zeros(5)))
