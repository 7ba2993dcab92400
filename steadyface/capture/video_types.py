"""What is known of a clip as a whole, and one of its frames: the same for a video file and a folder of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError

SMALLEST_SIDE = 16
"""Pixels; a picture with a shorter side shows no face that could be tracked."""

LARGEST_PICTURE = 8192 * 4320
"""Pixels; 8K in either aspect ratio. A decoded frame takes 3 bytes a pixel, and the decoder keeps several."""


class VideoInfo(NamedTuple):
    """A clip's facts, the picture as displayed (after rotation).

    width, height: pixels, upright.
    frame_count: frames that the container says are shown; 0 is "not stated".
    fps: the average rate.
    duration_s: as the container states it; 0 is "not stated".
    codec: FFmpeg's name of the decoder.
    rotation_deg: what a player turns the stored picture by, clockwise: 0, 90, 180 or 270.
    bit_depth: of a stored sample.
    full_range: stored luma spans 0 to 255 rather than 16 to 235.
    has_audio: there is a sound stream.
    variable_rate: the container's frame intervals differ by more than 2 ms; a hint where it has no table of them
        (Matroska, WebM): there only the time stamps of the frames tell.
    transfer: ``"sdr"``, or ``"PQ"`` or ``"HLG"``, which are tone-mapped to sRGB as they are read.
    focal_px: focal length in pixels of the upright full frame as the metadata state it; None: they do not.
    pixel_aspect: width over height of a stored pixel after rotation. Frames are read as stored, one array element
        a pixel: where this is not 1, fx and fy of the frame differ by it.
    is_whole: False where the file ends before the size that its own headers state.
    """

    width: int
    height: int
    frame_count: int
    fps: float
    duration_s: float
    codec: str
    rotation_deg: int = 0
    bit_depth: int = 8
    full_range: bool = False
    has_audio: bool = False
    variable_rate: bool = False
    transfer: str = "sdr"
    focal_px: float | None = None
    pixel_aspect: float = 1.0
    is_whole: bool = True


@dataclass(frozen=True)
class VideoFrame:
    """A decoded frame: index from 0, presentation time in seconds, (H, W, 3) uint8 sRGB, upright."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


def check_picture_size(path: str | Path, width: int, height: int) -> None:
    """Refuses pictures that hold no face, or more pixels than there is memory for.

    Raises:
        InputError: a side under `SMALLEST_SIDE`, or more than `LARGEST_PICTURE` pixels.
    """
    if min(width, height) < SMALLEST_SIDE:
        expected = f"a picture of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels"
        raise InputError(path, expected, f"{width} x {height}", "use the clip at the size it was recorded in")
    if width * height > LARGEST_PICTURE:
        expected = f"a picture of at most {LARGEST_PICTURE / 1e6:.1f} million pixels (8K)"
        raise InputError(path, expected, f"{width} x {height}", "scale it down: the face is cropped and shrunk anyway")
