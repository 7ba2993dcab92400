"""Faces by MediaPipe's detectors (BlazeFace), an optional part: imported only when a clip comes without a box.

The full-range model looks at the whole picture. Where it finds nothing, it looks at the picture with a black
margin, for faces that the border cuts, and at its tiles, for small ones. What it finds there, and what it
is not sure of, is looked at again by the short-range model in a close-up. On a title card the full-range model
took letters for faces with 0.60 to 0.68 of certainty, and was as little sure of some faces; in the close-up the
short-range one gave letters 0.54 at most, and 32 faces of four clips 0.87 at least.

Source: V. Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs (2019).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box, crop_image
from steadyface.errors import InputError

Picture = NDArray[np.uint8]

SURE = 0.75
"""A detection of the whole picture with this certainty is not looked at again."""

CONFIRMING = 0.7
"""The least certainty of the second look."""

MARGIN = 1 / 3
"""Black margin over the shorter side of the picture: a face of which half is left is then found."""

_SHORT_RANGE, _FULL_RANGE = 0, 1  # MediaPipe's numbers; full range: faces up to 5 m away
_CLOSE_UP, _CLOSE_UP_PX = 2.0, 192  # what the short-range model sees of a face: sides of its box, and pixels
_SAME = 0.3  # overlap (intersection over union) above which two detections are of one face
_INSTALL = (
    "give the box (x, y, w, h in pixels), or install MediaPipe: pip install --no-deps mediapipe==0.10.21"
    " with its dependencies as the README lists them"
)


class _Detection(NamedTuple):
    score: float
    box: Box


@contextlib.contextmanager
def open_mediapipe_finder(path: Path) -> Iterator[MediaPipeFinder]:
    """The finder, with both models loaded.

    Args:
        path: of the clip, for what is said.

    Raises:
        InputError: MediaPipe is not installed.
    """
    if not has_mediapipe():
        raise InputError(path, "the face's box, or MediaPipe to find it", "neither", _INSTALL)
    os.environ.setdefault("GLOG_minloglevel", "2")  # its start-up lines are no news to a user
    from mediapipe.python.solutions.face_detection import FaceDetection

    with (
        FaceDetection(model_selection=_FULL_RANGE) as full_range,
        FaceDetection(model_selection=_SHORT_RANGE) as short_range,
    ):
        yield MediaPipeFinder(full_range, short_range)


def has_mediapipe() -> bool:
    """Whether MediaPipe is installed."""
    return find_spec("mediapipe") is not None


class MediaPipeFinder:
    """A `FaceFinder`; made by `open_mediapipe_finder`.

    Args:
        full_range, short_range: MediaPipe's detectors.
    """

    def __init__(self, full_range: Any, short_range: Any) -> None:
        self._full_range, self._short_range = full_range, short_range

    def find(self, image: Picture) -> list[Box]:
        """The faces of (H, W, 3) sRGB, largest first: x, y, w, h in pixels."""
        seen = _detections(self._full_range, image)
        sure = [found for found in seen if found.score >= SURE]
        faces = sure + [found for found in seen if found.score < SURE and self._confirmed(image, found.box)]
        if not faces:
            faces = [found for found in self._harder(image) if self._confirmed(image, found.box)]
        boxes = [found.box for found in _distinct(faces)]
        return sorted(boxes, key=lambda box: box[2] * box[3], reverse=True)

    def _harder(self, image: Picture) -> Iterator[_Detection]:
        """Detections with a margin, and in the tiles of the picture."""
        margin = round(MARGIN * min(image.shape[:2]))
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)))
        yield from _detections(self._full_range, padded, (-margin, -margin))
        for left, top, side in tiles(image.shape[1], image.shape[0]):
            yield from _detections(self._full_range, image[top : top + side, left : left + side], (left, top))

    def _confirmed(self, image: Picture, face: Box) -> bool:
        """Whether the short-range model sees a face there, too."""
        x, y, size = face[0] + face[2] / 2, face[1] + face[3] / 2, max(face[2:])
        side = _CLOSE_UP * size
        close_up = crop_image(image, (x - side / 2, y - side / 2, side, side), _CLOSE_UP_PX)
        for found in _detections(self._short_range, close_up):
            if found.score < CONFIRMING:  # MediaPipe's own threshold stays at 0.5, whatever it is given
                continue
            left, top, width, height = (value * side / _CLOSE_UP_PX for value in found.box)
            apart = np.hypot(left + width / 2 - side / 2, top + height / 2 - side / 2)
            if apart < 0.5 * size and 0.5 < max(width, height) / size < 2:
                return True
        return False


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Squares of half the longer side that cover a picture and overlap by half: left, top, side in pixels.

    >>> tiles(400, 200)
    [(0, 0, 200), (100, 0, 200), (200, 0, 200)]
    """
    side = (max(width, height) + 1) // 2

    def starts(length: int) -> list[int]:
        if length <= side:
            return [0]
        count = int(np.ceil(2 * (length - side) / side)) + 1
        return [round(start) for start in np.linspace(0, length - side, count)]

    return [(left, top, side) for top in starts(height) for left in starts(width)]


def _detections(detector: Any, image: Picture, corner: tuple[int, int] = (0, 0)) -> list[_Detection]:
    """What a detector sees in a part of a picture whose top-left corner is given; boxes in the whole picture."""
    height, width = image.shape[:2]
    found = detector.process(np.ascontiguousarray(image)).detections or ()
    return [_detection(one, width, height, corner) for one in found]


def _detection(one: Any, width: int, height: int, corner: tuple[int, int]) -> _Detection:
    box = one.location_data.relative_bounding_box
    place = (box.xmin * width + corner[0], box.ymin * height + corner[1], box.width * width, box.height * height)
    return _Detection(float(one.score[0]), place)


def _distinct(found: list[_Detection]) -> list[_Detection]:
    """One detection a face, the surest."""
    kept: list[_Detection] = []
    for one in sorted(found, key=lambda detection: detection.score, reverse=True):
        if all(_overlap(one.box, other.box) < _SAME for other in kept):
            kept.append(one)
    return kept


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
