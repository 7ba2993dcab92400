"""Landmarks drawn over the clip that they were found in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.video import VideoWriter, probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.landmark_track import LandmarkTrack
from steadyface.tracking.overlay import mark_lost

_COLOUR = (64, 242, 204)  # sRGB


def write_landmark_video(clip: Path, track: LandmarkTrack, out: Path) -> None:
    """Write a clip with a point a landmark; a frame without a face gets a small red dot in its corner.

    Args:
        clip: what was tracked; its sound comes along.
        track: its frames in order; where it is shorter than the clip, the video ends with it.
        out: the target, ``*.mp4``.

    Raises:
        InputError: the clip has fewer frames than the track.
    """
    info = probe(clip, partial=True)
    width, height = info.width + info.width % 2, info.height + info.height % 2  # H.264 stores colour at half size
    found, drawn = track.found, 0
    sound = clip if info.has_audio else None
    with VideoWriter(out, width, height, info.fps or 30.0, sound_of=sound, pixel_aspect=info.pixel_aspect) as writer:
        for frame in read_frames(clip):
            image = frame.image
            image = draw_points(image, track.points[drawn]) if bool(found[drawn]) else mark_lost(image)
            grown = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
            writer.write(np.pad(image, grown, mode="edge"), frame.time_s)
            drawn += 1
            if drawn == len(track.time_s):
                break
    if drawn < len(track.time_s):
        raise InputError(clip, f"{len(track.time_s)} frames, as in its track", str(drawn), "track the clip again")


def draw_points(image: NDArray[np.uint8], points: Tensor) -> NDArray[np.uint8]:
    """A copy of (H, W, 3) sRGB with a dot at each of (L, 2) points in pixels; larger ones in large pictures."""
    drawn = image.copy()
    height, width = image.shape[:2]
    reach = max(height, width) // 640
    centre = np.rint(points.numpy()).astype(np.int64)
    for shift_x in range(-reach, reach + 1):
        for shift_y in range(-reach, reach + 1):
            x, y = centre[:, 0] + shift_x, centre[:, 1] + shift_y
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            drawn[y[inside], x[inside]] = _COLOUR
    return drawn
