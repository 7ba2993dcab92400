"""Follows one face through a clip, frame after frame: the next crop comes from the head that was just seen.

Once through, in order, and never looking ahead: what a live tracker can do, and the first of the two
passes over a file. The face is found once (in a given box, by a detector, or by the encoder itself),
then followed; where it is lost, or at a cut, it is looked for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from steadyface.capture.crop import Box
from steadyface.capture.cuts import CutDetector
from steadyface.capture.detector import FaceFinder, face_in_head, head_box
from steadyface.capture.face_choice import LARGEST, FaceChoice, choose_face, first_face
from steadyface.capture.video import VideoFrame
from steadyface.tracking.face_search import search_face, search_windows, settle
from steadyface.tracking.sighting import Sighter, Sighting

SEARCH_INTERVAL_S = 0.5
"""While no face is there, the whole frame is searched this often: a search costs about 80 looks."""

_LARGEST_STEP = 0.6  # of the crop's side: a head that moves further between two looks is another one
_LARGEST_GROWTH = 1.6


class HeadFinder(Protocol):
    """Where heads may be in a frame, as squares to crop by: a face detector, a given box."""

    def head_boxes(self, image: NDArray[np.uint8], previous: Box | None) -> Sequence[Box]:
        """The likeliest first.

        Args:
            image: (H, W, 3) uint8 sRGB.
            previous: where the head was last seen, None at the start.
        """


class GivenBox:
    """A box that somebody gave: the head starts there.

    Args:
        box: a square, x, y, w, h in pixels of the upright frame.
    """

    def __init__(self, box: Box) -> None:
        self._box = box

    def head_boxes(self, image: NDArray[np.uint8], previous: Box | None) -> Sequence[Box]:
        """The box, whatever the frame."""
        return [self._box]


class FollowedFrame(NamedTuple):
    """What was seen in one frame. sighting: None where there is no face; box: the crop that it was seen in, or
    would be looked for in; shot: one more after each cut."""

    time_s: float
    shot: int
    box: Box | None
    sighting: Sighting | None

    @property
    def found(self) -> bool:
        return self.sighting is not None


class FaceFollower:
    """One face, one clip, one frame after the other.

    Args:
        sighter: with the clip's intrinsics.
        finder: asked first, wherever the face has to be found anew; None: the encoder searches by itself.
        windows_a_step: of a search, looked at in one frame; the next frame goes on where it ends. For a live
            source, where a whole search would hold everything up. None: a whole search, but not in every frame.
    """

    def __init__(
        self, sighter: Sighter, finder: HeadFinder | None = None, windows_a_step: int | None = None
    ) -> None:
        self._sighter, self._finder, self._cuts = sighter, finder, CutDetector()
        self._windows_a_step, self._window = windows_a_step, 0
        self._shot, self._box = 0, None  # type: tuple[int, Box | None]
        self._last: Box | None = None
        self._searched_s = -np.inf

    def watch(self, frame: VideoFrame) -> bool:
        """Look out for a cut in a frame without looking for the face; whether the frame starts a new shot."""
        if not self._cuts.update(frame.image, frame.time_s):
            return False
        self._shot += 1
        self._box, self._last, self._searched_s = None, None, -np.inf
        return True

    def step(self, frame: VideoFrame, watched: bool = False) -> FollowedFrame:
        """The face in the next frame.

        Args:
            frame: later than all before.
            watched: ``watch`` was called with this frame already.
        """
        if not watched:
            self.watch(frame)
        sighting = self._follow(frame.image) if self._box is not None else None
        if sighting is None:
            sighting = self._find(frame)
        looked_in = self._box
        if sighting is not None:
            looked_in, self._box, self._last = sighting.box, sighting.head, sighting.head
        return FollowedFrame(frame.time_s, self._shot, looked_in, sighting)

    def _follow(self, image: NDArray[np.uint8]) -> Sighting | None:
        """The head near where it was; where the crop does not show it well, one more look from where it seems to be."""
        box = self._box
        assert box is not None
        for _ in range(2):
            (sighting,) = self._sighter.look(image, [box])
            if sighting.plausible and _is_near(sighting.head, box):
                return sighting
            if not _is_near(sighting.head, box):
                break
            box = sighting.head
        return None

    def _find(self, frame: VideoFrame) -> Sighting | None:
        """The head wherever it is; the box is forgotten until then."""
        self._box = None
        starts = list(self._finder.head_boxes(frame.image, self._last)) if self._finder is not None else []
        if self._last is not None:
            starts.append(self._last)
        for start in starts:
            sighting = settle(self._sighter, frame.image, start)
            if sighting is not None:
                return sighting
        if self._windows_a_step is not None:
            return search_face(self._sighter, frame.image, self._next_windows(*frame.image.shape[:2]))
        if frame.time_s < self._searched_s + SEARCH_INTERVAL_S:
            return None
        self._searched_s = frame.time_s
        return search_face(self._sighter, frame.image)

    def _next_windows(self, height: int, width: int) -> list[Box]:
        """The part of a search that this frame has, large windows first."""
        windows = search_windows(height, width)
        start = self._window if self._window < len(windows) else 0
        self._window = start + (self._windows_a_step or len(windows))
        return windows[start : self._window]


def _is_near(head: Box, box: Box) -> bool:
    """Whether a head seen in a crop can be the one that the crop was made for."""
    if not np.isfinite(head).all():
        return False
    step = max(abs(head[0] + head[2] / 2 - box[0] - box[2] / 2), abs(head[1] + head[3] / 2 - box[1] - box[3] / 2))
    return step < _LARGEST_STEP * box[2] and 1 / _LARGEST_GROWTH < head[2] / box[2] < _LARGEST_GROWTH


class DetectedHeads:
    """A face detector as a finder of heads.

    Args:
        finder: the detector.
        face: which of several faces, at the start and after a cut.
    """

    def __init__(self, finder: FaceFinder, face: FaceChoice = LARGEST) -> None:
        self._finder, self._face = finder, face

    def head_boxes(self, image: NDArray[np.uint8], previous: Box | None) -> Sequence[Box]:
        """The chosen face's head, then the others', unless a certain face was asked for."""
        faces = self._finder.find(image)
        chosen = choose_face(faces, face_in_head(previous), self._face) if previous else first_face(faces, self._face)
        others = [face for face in faces if face != chosen] if self._face == LARGEST else []
        return [head_box(face) for face in ([chosen] if chosen else []) + others]
