"""Where the face is in a clip, by MediaPipe's full-range detector where it is installed.

MediaPipe is optional: it is imported only when a clip comes without a box. One square that stays
where it is and covers every detection: a box that moved with each detection would add its own
jitter to the track.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.capture.video import read_frames
from steadyface.errors import InputError

logger = logging.getLogger(__name__)

DETECTION_INTERVAL_S = 0.25
"""Time between the frames that are looked at."""

HEAD_OVER_FACE = 2.1
"""Side of the crop over the side of a detection: it spans brows to chin, the crop the head and a margin."""

_SCORE = 0.5
_FULL_RANGE = 1  # MediaPipe's name for the model for faces up to 5 m away
_INSTALL = (
    "give the box (x, y, w, h in pixels), or install MediaPipe: pip install --no-deps mediapipe==0.10.21"
    " with its dependencies as the README lists them"
)


def detect_box(path: Path) -> Box:
    """The square that covers the largest face of every frame looked at, with a margin for the head.

    Raises:
        InputError: MediaPipe is not installed, no face was found, or the clip cannot be read.
    """
    with _face_detector(path) as detector:
        found = [box for frame in _sampled(path) if (box := _largest(detector, frame)) is not None]
    if not found:
        raise InputError(path, "a face in some frame", "no detection", "give the box (x, y, w, h in pixels)")
    box = enclosing_square(np.asarray(found))
    logger.info(
        "%s: face found in %d of the frames looked at; box %s",
        path,
        len(found),
        ", ".join(f"{value:.1f}" for value in box),
    )
    return box


def enclosing_square(boxes: NDArray[np.floating]) -> Box:
    """The square over all detections, with the margin that makes a head of a face.

    Shapes: boxes (n, 4), x, y, w, h in pixels.

    >>> enclosing_square(np.array([[10.0, 10.0, 20.0, 20.0]]))
    (-1.0, -1.0, 42.0, 42.0)
    """
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    size = float(np.median(boxes[:, 2:].max(1)))
    side = float((high - low).max()) + (HEAD_OVER_FACE - 1) * size
    x, y = (low + high - side) / 2
    return (float(x), float(y), side, side)


@contextlib.contextmanager
def _face_detector(path: Path) -> Iterator[Any]:
    os.environ.setdefault("GLOG_minloglevel", "2")  # its start-up lines are no news to a user
    try:
        from mediapipe.python.solutions.face_detection import FaceDetection
    except ImportError:
        raise InputError(path, "the face's box, or MediaPipe to find it", "neither", _INSTALL) from None
    with FaceDetection(model_selection=_FULL_RANGE, min_detection_confidence=_SCORE) as detector:
        yield detector


def _sampled(path: Path) -> Iterator[NDArray[np.uint8]]:
    due = -float("inf")
    for frame in read_frames(path):
        if frame.time_s >= due:
            due = frame.time_s + DETECTION_INTERVAL_S
            yield frame.image


def _largest(detector: Any, image: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """The largest detection in pixels of the frame: x, y, w, h."""
    height, width = image.shape[:2]
    relative = [detection.location_data.relative_bounding_box for detection in detector.process(image).detections or ()]
    boxes = [(box.xmin * width, box.ymin * height, box.width * width, box.height * height) for box in relative]
    return max(boxes, key=lambda box: box[2] * box[3], default=None)
