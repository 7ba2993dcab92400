"""The lab's cameras: where they stand, what sets their pictures apart, and whose turn it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.krt import Camera

DISTANCE_MM = 1000.0
LARGEST_AZIMUTH_DEG = 50.0
ELEVATIONS_DEG = (-20.0, 25.0)
HEAD_SHARE = 0.72
"""Share of the picture's height that head and neck fill."""

_GOLDEN = 0.6180339887


def lab_cameras(count: int, height: int, width: int, head_height_mm: float) -> list[Camera]:
    """Cameras on an arc around the front, about a metre away, without distortion.

    World: origin where the head is, x right, y down, z away from the front camera. The first
    camera stands in front; the others follow from the far left to the far right.

    Args:
        count: number of cameras.
        height, width: of the images, pixels.
        head_height_mm: of the subject's mesh.
    """
    azimuths = [0.0, *np.linspace(-LARGEST_AZIMUTH_DEG, LARGEST_AZIMUTH_DEG, max(count - 1, 1))]
    low, high = ELEVATIONS_DEG
    cameras = []
    for index in range(count):
        elevation = 0.0 if index == 0 else low + (high - low) * ((index * _GOLDEN + 0.3) % 1.0)
        rng = np.random.default_rng([index, 303])
        distance = DISTANCE_MM * (1.0 + 0.04 * rng.uniform(-1.0, 1.0))
        focal = HEAD_SHARE * height * distance / head_height_mm
        offset = 0.01 * height * rng.uniform(-1.0, 1.0, 2)
        intrinsics = np.array(
            [[focal, 0.0, 0.5 * (width - 1) + offset[0]], [0.0, focal, 0.5 * (height - 1) + offset[1]], [0.0, 0.0, 1.0]]
        )
        rotation, translation = _look_at_origin(azimuths[index], elevation, distance, rng)
        cameras.append(Camera(f"{400001 + index}", intrinsics, np.zeros(5), rotation, translation))
    return cameras


def _look_at_origin(
    azimuth_deg: float, elevation_deg: float, distance: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """World -> camera of a camera to the right by the azimuth and above by the elevation, aimed by hand."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    across = math.cos(elevation)
    centre = distance * np.array([math.sin(azimuth) * across, -math.sin(elevation), -math.cos(azimuth) * across])
    forward = rng.uniform(-8.0, 8.0, 3) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return rotation, -rotation @ centre


def camera_gains(count: int) -> NDArray[np.float32]:
    """Gains of red, green and blue of each camera, within 3 %: (count, 3)."""
    rng = np.random.default_rng(404)
    return rng.uniform(0.97, 1.03, (count, 3)).astype(np.float32)


def cameras_in_turn(frame: int, count: int, per_frame: int) -> list[int]:
    """Which cameras see a frame: the front one every other frame, the others in turn, far apart.

    >>> [cameras_in_turn(frame, 8, 3) for frame in (0, 1, 2)]
    [[0, 1, 6], [2, 3, 5], [0, 4, 7]]
    """
    if per_frame >= count:
        return list(range(count))
    others = sorted(range(1, count), key=lambda index: ((index - 1) * _GOLDEN) % 1.0)
    with_front = frame % 2 == 0
    taken = (frame // 2) * (2 * per_frame - 1) + (0 if with_front else per_frame - 1)
    wanted = per_frame - 1 if with_front else per_frame
    chosen = {others[(taken + step) % len(others)] for step in range(wanted)}
    return sorted(chosen | ({0} if with_front else set()))
