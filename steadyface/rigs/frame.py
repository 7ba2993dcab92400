"""Into the head frame: units guessed from the head's size, axes from where its nose points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steadyface.errors import InputError
from steadyface.rigs.landmarks import NOSE_TIP, OUTER_EYE_CORNERS, Landmarks

Floats = NDArray[np.float64]

Y_UP: Floats = np.array([1.0, -1.0, -1.0])
"""From y up and z towards the viewer, as glTF, FLAME and ICT-FaceKit have it, to the head frame; and back."""
_UNITS = (("mm", 100.0, 1000.0, 1.0), ("cm", 10.0, 100.0, 10.0), ("m", 0.1, 1.0, 1000.0))
_SIZE = "a head, 0.1 to 1 m in its largest extent, in mm, cm or m"


class Placement(NamedTuple):
    """``(points - origin) * scale`` takes the file's points to the head frame, mm; scale (3,) turns the axes too."""

    origin: Floats
    scale: Floats
    notes: tuple[str, ...]

    def points(self, values: Floats) -> Floats:
        """Points (..., 3) of the file -> mm, head frame."""
        return (values - self.origin) * self.scale

    def displacements(self, values: Floats) -> Floats:
        """Displacements (..., 3) of the file -> mm, head frame."""
        return values * self.scale


def place(subject: str, neutral: Floats, landmarks: Landmarks, centre: bool = True) -> Placement:
    """How a file's head comes into the head frame.

    Args:
        subject: for messages; neutral: (N, 3) as the file has it; landmarks: on it, may be none.
        centre: move the middle of the head's extent to the origin; a bust in a scene stands metres off it.

    Raises:
        InputError: of no head's size, or it looks along another axis.
    """
    unit, factor = _guess_unit(subject, neutral)
    axes, how = _guess_axes(subject, neutral, landmarks)
    origin = (neutral.min(0) + neutral.max(0)) / 2.0 if centre else np.zeros(3)
    notes = [f"taken to be in {unit}, for its largest extent is {np.ptp(neutral, axis=0).max():.4g}", how]
    if centre:
        notes.append("the middle of its extent is the head frame's origin")
    return Placement(origin, axes * factor, tuple(notes))


def _guess_unit(subject: str, neutral: Floats) -> tuple[str, float]:
    extent = float(np.ptp(neutral, axis=0).max())
    for name, low, high, factor in _UNITS:
        if low <= extent < high:
            return name, factor
    raise InputError(subject, _SIZE, f"{extent:.4g} in the file's unit", "export it in mm, cm or m, the head alone")


def _guess_axes(subject: str, neutral: Floats, landmarks: Landmarks) -> tuple[Floats, str]:
    """(3,) signs, and how they were found."""
    if not all(number in landmarks.numbers for number in (NOSE_TIP, *OUTER_EYE_CORNERS, 48, 54)):
        return Y_UP, "taken to have y up and to look along +z, as glTF has it, for it has no landmarks"
    at = landmark_positions(neutral, landmarks)
    right, left = (at[number] for number in OUTER_EYE_CORNERS)
    eyes, mouth = (right + left) / 2.0, (at[48] + at[54]) / 2.0
    aside, down, ahead = left - right, mouth - eyes, at[NOSE_TIP] - (eyes + mouth) / 2.0
    axes = [int(np.abs(direction).argmax()) for direction in (aside, down, ahead)]
    if axes == [0, 1, 2] and aside[0] > 0 and (down[1] < 0) == (ahead[2] > 0):
        if down[1] < 0:
            return Y_UP, "it has y up and looks along +z: turned to the head frame"
        return np.ones(3), "it has y down and looks along -z, as the head frame has it"
    raise InputError(
        subject, "a head upright along y that looks along z, the landmarks of its own left at +x",
        f"eyes along {_axis(aside)}, mouth below them along {_axis(down)}, nose along {_axis(ahead)}",
        "turn it, or check the landmarks: left and right are the subject's own",
    )  # fmt: skip


def _axis(direction: Floats) -> str:
    index = int(np.abs(direction).argmax())
    return f"{'+' if direction[index] > 0 else '-'}{'xyz'[index]}"


def landmark_positions(neutral: Floats, landmarks: Landmarks) -> dict[int, Floats]:
    """Number -> (3,) of the landmarks on a mesh (N, 3)."""
    weights = landmarks.weights.numpy().astype(np.float64)
    points = (neutral[landmarks.vertices.numpy()] * weights[..., None]).sum(1)
    return dict(zip(landmarks.numbers, points, strict=True))
