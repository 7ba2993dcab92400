"""Where faces are in a picture: one interface, behind which a detector or a box of the user's stands.

A `FaceFinder` gives the faces of one picture. MediaPipe's is in ``mediapipe_finder``; `FixedBox` is the
user's box. A head's box is the square around a face that a crop is cut from. To add a detector, write a
class with ``find`` and have `open_finder` make it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.capture.face_choice import LARGEST, FaceChoice, FaceChooser
from steadyface.capture.video import read_frames

logger = logging.getLogger(__name__)

DETECTION_INTERVAL_S = 0.25
"""Time between the frames that are looked at for a box that stays."""

HEAD_OVER_FACE = 2.1
"""Side of the crop over the side of a face's box: that spans brows to chin, the crop the head and a margin.
Measured on six clips of three synthetic heads: the whole head's mesh is 1.53 times as large as the face's box."""

HEAD_ABOVE_FACE = 0.06
"""How far the head's centre lies above that of its face's box, in sides of that box; measured as above."""


class FaceFinder(Protocol):
    """Finds the faces of one picture."""

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """The faces of (H, W, 3) sRGB, largest first: x, y, w, h in pixels, brows to chin; empty without one.

        A face that the border cuts may reach beyond the picture.
        """
        ...


class FixedBox:
    """The user's box for every picture, whether there is a face in it or not.

    Args:
        head: x, y, w, h of the head, pixels; `head_box` of the face that is "found" is its square.
    """

    def __init__(self, head: Sequence[float]) -> None:
        self._face = face_in_head(head)

    def find(self, image: NDArray[np.uint8]) -> list[Box]:
        """One face, whatever the picture shows."""
        return [self._face]


def head_box(face: Box) -> Box:
    """The square crop of the head whose face was found: x, y, w, h in pixels.

    >>> [round(value, 1) for value in head_box((100.0, 100.0, 40.0, 40.0))]
    [78.0, 75.6, 84.0, 84.0]
    """
    size = max(face[2:])
    side = HEAD_OVER_FACE * size
    x, y = face[0] + face[2] / 2, face[1] + face[3] / 2 - HEAD_ABOVE_FACE * size
    return (x - side / 2, y - side / 2, side, side)


def face_in_head(head: Sequence[float]) -> Box:
    """The face of a head's box: what `head_box` takes back to the square around the same centre."""
    side = max(head[2:])
    size = side / HEAD_OVER_FACE
    x, y = head[0] + head[2] / 2, head[1] + head[3] / 2 + HEAD_ABOVE_FACE * size
    return (x - size / 2, y - size / 2, size, size)


@contextlib.contextmanager
def open_finder(path: Path, box: Sequence[float] = ()) -> Iterator[FaceFinder]:
    """What finds faces in a clip: the box where there is one, else MediaPipe.

    Args:
        path: of the clip, for what is said.
        box: x, y, w, h of the head in pixels of the upright frame; empty: a detector.

    Raises:
        InputError: no box, and MediaPipe is not installed.
    """
    if box:
        yield FixedBox(box)
        return
    from steadyface.capture.mediapipe_finder import open_mediapipe_finder

    with open_mediapipe_finder(path) as finder:
        yield finder


def detect_box(path: Path, which: FaceChoice = LARGEST) -> Box:
    """The square that covers a clip's face in every frame looked at, with a margin for the head.

    A box that stays: one that moved with each detection would add its own jitter to the track.

    Args:
        path: the video.
        which: of several faces.

    Raises:
        InputError: MediaPipe is not installed, no face was found, or the clip cannot be read.
    """
    chooser = FaceChooser(which)
    with open_finder(path) as finder:
        chosen = [chooser.choose(finder.find(image)) for image in _sampled(path)]
    found = [face for face in chosen if face is not None]
    if not found:
        raise chooser.nothing_found(path)
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


def _sampled(path: Path) -> Iterator[NDArray[np.uint8]]:
    due = -float("inf")
    for frame in read_frames(path):
        if frame.time_s >= due:
            due = frame.time_s + DETECTION_INTERVAL_S
            yield frame.image
