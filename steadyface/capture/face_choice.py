"""Which of several faces is followed, and that it stays the same person's from frame to frame.

``largest`` is the largest face of the first frame that shows one. A number N is the N-th face from the left in the
first frame that shows N faces or more. From then on the face is followed by its place: a detector does
not know persons. After a cut, and where it was lost for long, the choice is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from steadyface.capture.crop import Box
from steadyface.errors import InputError

FaceChoice = int | Literal["largest"]
LARGEST: Literal["largest"] = "largest"

STEP_OVER_FACE = 0.8
"""How far a face's centre moves at most between two frames that are looked at, in sides of its box."""

SCALE_STEP = 1.6
"""How much larger or smaller its box may become between them: detections of one face differ by a tenth or two."""

FORGOTTEN_AFTER = 15
"""Looks without a face after which its place is no longer kept; of the followed one, the choice is then made anew."""


def parse_face(text: str) -> FaceChoice:
    """``largest``, or a number from 1.

    Raises:
        InputError: for anything else.

    >>> parse_face("largest"), parse_face("2")
    ('largest', 2)
    """
    if text == LARGEST:
        return LARGEST
    if text.isdecimal() and int(text) > 0:
        return int(text)
    remedy = "write --face largest, or --face 2 for the second face from the left"
    raise InputError("--face", "largest, or a number from 1", f"'{text}'", remedy)


def choose_face(faces: Sequence[Box], previous: Box | None, which: FaceChoice) -> Box | None:
    """The face to follow among those of one frame.

    Args:
        faces: x, y, w, h in pixels, of one frame.
        previous: the box in the frame looked at before; None at the start and after a cut.
        which: decides where there is no ``previous``.

    Returns:
        the face nearest to ``previous``, or None: not seen, and nobody else is taken instead.
    """
    if previous is None:
        return first_face(faces, which)
    near = [face for face in faces if np.isfinite(_cost(previous, face))]
    return min(near, key=lambda face: _cost(previous, face), default=None)


def first_face(faces: Sequence[Box], which: FaceChoice) -> Box | None:
    """The face that is chosen in the first frame; None where the frame does not show it.

    >>> first_face([(50.0, 0.0, 30.0, 30.0), (0.0, 0.0, 20.0, 20.0)], 1)
    (0.0, 0.0, 20.0, 20.0)
    """
    if which == LARGEST:
        return max(faces, key=lambda face: face[2] * face[3], default=None)
    ordered = sorted(faces, key=lambda face: face[0] + face[2] / 2)
    return ordered[which - 1] if len(ordered) >= which else None


class FaceChooser:
    """Follows one face through a clip, and keeps the others' places, so that none of them is taken for it.

    Where two persons pass each other and one is not detected, the nearest box is the other's: here each
    box goes to the face that it fits best, so the one that is followed is lost, not swapped.

    Args:
        which: see the module.
    """

    def __init__(self, which: FaceChoice = LARGEST) -> None:
        self.which = which
        self.most_at_once = 0  # faces in one frame
        self._known: list[_Followed] = []  # the first is the one that was chosen
        self._chosen = False

    def choose(self, faces: Sequence[Box]) -> Box | None:
        """The followed face among those of the next frame; None where it is not seen."""
        self.most_at_once = max(self.most_at_once, len(faces))
        if not self._chosen:
            first = first_face(faces, self.which)
            if first is None:
                return None
            self._chosen = True
            self._known = [_Followed(first), *(_Followed(face) for face in faces if face != first)]
            return first
        assigned = self._assign(faces)
        if self._known[0].unseen >= FORGOTTEN_AFTER:
            self.restart()
            return self.choose(faces)
        chosen = self._known[0].box if self._known[0].unseen == 0 else None
        self._known[1:] = [other for other in self._known[1:] if other.unseen < FORGOTTEN_AFTER]
        self._known += [_Followed(face) for place, face in enumerate(faces) if place not in assigned]
        return chosen

    def restart(self) -> None:
        """After a cut: nobody's place is known, the choice is made anew."""
        self._known, self._chosen = [], False

    def nothing_found(self, path: Path) -> InputError:
        """The error of a clip in which nothing was chosen."""
        if self.most_at_once:
            expected, got = f"face {self.which} from the left", f"at most {self.most_at_once} in one frame"
            return InputError(path, expected, got, "give a smaller --face, or the box (x, y, w, h in pixels)")
        return InputError(path, "a face in some frame", "no detection", "give the box (x, y, w, h in pixels)")

    def _assign(self, faces: Sequence[Box]) -> set[int]:
        """Moves each known face to the box that fits it; returns which of the boxes were taken."""
        costs = np.array([[_cost(known.expected, face) for face in faces] for known in self._known])
        taken: dict[int, int] = {}
        if faces:
            never = 1e6  # finite, as the solver needs it; left out afterwards
            rows, columns = linear_sum_assignment(np.where(np.isfinite(costs), costs, never))
            taken = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if np.isfinite(costs[r, c])}
        for row, known in enumerate(self._known):
            known.move(faces[taken[row]] if row in taken else None)
        return set(taken.values())


class _Followed:
    """A face's box, its motion between looks, and for how many of them it was not seen."""

    def __init__(self, box: Box) -> None:
        self.box, self.unseen, self._step = box, 0, (0.0, 0.0)

    @property
    def expected(self) -> Box:
        """Where it goes on to."""
        x, y, width, height = self.box
        return (x + self._step[0], y + self._step[1], width, height)

    def move(self, box: Box | None) -> None:
        if box is None:
            self.unseen += 1
            self.box = self.expected if self.unseen < 3 else self.box  # it does not fly on for ever
            return
        before, now = _centre(self.box), _centre(box)
        self._step = (now[0] - before[0], now[1] - before[1]) if self.unseen == 0 else (0.0, 0.0)
        self.box, self.unseen = box, 0


def _centre(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def _cost(before: Box, now: Box) -> float:
    """How far apart two boxes are, 0 for the same; infinite where they cannot be of one face."""
    size, other = max(before[2:]), max(now[2:])
    (x, y), (u, v) = _centre(before), _centre(now)
    moved = float(np.hypot(u - x, v - y)) / max(size, other)
    scaled = max(size, other) / min(size, other)
    if moved > STEP_OVER_FACE or scaled > SCALE_STEP:
        return float("inf")
    return moved + float(np.log(scaled))
