"""Whether a clip's frames alone forbid an adaptation: too few, black, or one picture all the time.

Frames are read only until nothing forbids it any more, which takes a few of them in a clip of a living person.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.capture.cuts import shrink
from steadyface.capture.video import read_frames
from steadyface.errors import InputError

FEWEST_FRAMES = 4
"""Fewer frames hold no motion to learn from."""

BLACK = 20.0
"""Grey level of 255 that a hundredth of a black frame may exceed: video black is 0 to 2, the noise of a covered
lens stays below 15."""

FLAT = 2.0
"""Deviation of the grey levels, below which a frame shows nothing."""

MOTION = 3.0
"""Grey levels by which a hundredth of the small picture's pixels must differ from the first frame's, gain and bias
taken out, for something to have moved. A pixel is the mean over a square: noise and compression stay below."""


def check_adaptable(path: Path, box: Box | None = None) -> None:
    """Refuse a clip that nothing can be learned from, whatever the network.

    Args:
        path: a video file or a folder of images.
        box: x, y, w, h of the head in pixels of the upright frame, where it is known: nothing else is looked at.

    Raises:
        InputError: fewer than `FEWEST_FRAMES` frames, no frame with a picture, or frames that are all the same.
    """
    count, brightest, first = 0, 0.0, None
    moved = False
    for frame in read_frames(path):
        count += 1
        small = halve(shrink(cut_out(frame.image, box)))
        brightest = max(brightest, float(np.percentile(small, 99)))
        if shows_nothing(small):
            continue
        if first is None:
            first = small
        moved = moved or motion(first, small) > MOTION
        if moved and count >= FEWEST_FRAMES:
            return
    raise _fault(path, count, brightest, first is not None)


def _fault(path: Path, count: int, brightest: float, seen: bool) -> InputError:
    if count < FEWEST_FRAMES:
        expected, got = f"at least {FEWEST_FRAMES} frames to adapt to", f"{count} frame{'s' if count != 1 else ''}"
        return InputError(path, expected, got, "record some seconds of the moving face")
    if not seen:
        got = f"{count} frames without a picture: " + ("black" if brightest < BLACK else "one even colour")
        return InputError(path, "frames that show a face", got, "take the cover off the lens, or correct clips.box")
    got = f"one picture, the same in all {count} frames"
    return InputError(path, "a face that moves", got, "record the moving face, or correct clips.box")


def cut_out(image: NDArray[np.uint8], box: Box | None) -> NDArray[np.uint8]:
    """The part of a frame (H, W, 3) within a box; the whole frame where the box leaves less than 16 x 16 pixels."""
    if box is None:
        return image
    height, width = image.shape[:2]
    left, top = (max(0, round(value)) for value in box[:2])
    right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
    return image[top:bottom, left:right] if right - left >= 16 and bottom - top >= 16 else image


def halve(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 2 x 2 pixels, (H, W) -> (H // 2, W // 2)."""
    height, width = (side // 2 * 2 for side in small.shape)
    return small[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def shows_nothing(small: NDArray[np.float32]) -> bool:
    """Whether a small grey picture, 0 to 255, is black or of one colour.

    >>> shows_nothing(np.full((8, 8), 128, dtype=np.float32))
    True
    """
    return bool(np.percentile(small, 99) < BLACK or small.std() < FLAT)


def motion(first: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Grey levels by which a hundredth of the pixels differ from another frame's, at its gain and bias."""
    x, y = first.ravel().astype(np.float64), now.ravel().astype(np.float64)
    gain = float(((x - x.mean()) * (y - y.mean())).sum() / np.square(x - x.mean()).sum())
    rest = (y - y.mean()) - gain * (x - x.mean())
    return float(np.percentile(np.abs(rest), 99)) / max(abs(gain), 0.25)
