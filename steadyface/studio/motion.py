"""Smooth motion: trajectories through random keys, band-limited noise, head motion, blinks.

Everything is a pure function of times in seconds and a NumPy generator, so a frame's motion
depends on the seed alone, never on who renders it. Angles in radians, lengths in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NECK_PIVOT_MM = np.array([0.0, 75.0, 15.0])
"""About this point of the head frame (x right, y down, z away from the viewer) a head turns."""

_ANTAGONISTS = (
    ("eyeBlink", "eyeWide"),
    ("browDown", "browOuterUp"),
    ("browDown", "browInnerUp"),
    ("mouthSmile", "mouthFrown"),
    ("mouthSmile", "mouthPucker"),
    ("mouthSmile", "mouthFunnel"),
    ("mouthStretch", "mouthPucker"),
    ("jawOpen", "mouthPress"),
    ("jawOpen", "mouthClose"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
)
"""Of each pair the second gives way to the first, on each side of the face."""

_SINGLE = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")  # a direction, not a side of the face


class Performance(NamedTuple):
    """A performance of T frames of a face with E expression shapes.

    Shapes: time_s (T,); weights (T, E) in [0, 1]; rotation (T, 3, 3) and translation (T, 3) mm
    take the head frame to the frame that the performance is staged in.
    """

    time_s: Array
    weights: Array
    rotation: Array
    translation: Array

    def slice(self, start: int, stop: int) -> Performance:
        """Frames start to stop - 1."""
        return Performance(*(part[start:stop] for part in self))


@dataclass(frozen=True)
class HeadRange:
    """How far and how fast a head moves: largest angles in degrees, largest shifts in mm, band in Hz."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    shift_mm: tuple[float, float, float]
    low_hz: float
    high_hz: float


class Shapes:
    """The expression shapes by name; names that the subject lacks are passed over.

    >>> shapes = Shapes(["jawOpen", "eyeBlinkLeft", "eyeBlinkRight"])
    >>> shapes.matching(["eyeBlink", "tongueOut"])
    [1, 2]
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.index = {name: i for i, name in enumerate(names)}
        sided = [(strong, weak, side) for strong, weak in _ANTAGONISTS for side in ("", "Left", "Right")]
        found = ((self._on_side(strong, side), self._on_side(weak, side)) for strong, weak, side in sided)
        # a shape without sides meets both sides of its antagonist, and another such shape only once
        self._antagonists = list(dict.fromkeys((a, b) for a, b in found if a is not None and b is not None))

    def _on_side(self, name: str, side: str) -> int | None:
        return self.index.get(name + side, self.index.get(name))

    def matching(self, prefixes: Sequence[str]) -> list[int]:
        """Indices of the shapes whose name begins with one of the prefixes."""
        return [i for i, name in enumerate(self.names) if name.startswith(tuple(prefixes))]

    def pairs(self, indices: Sequence[int]) -> list[tuple[int, ...]]:
        """Groups the shapes of a left and a right side; the others stand alone."""
        groups: dict[str, list[int]] = {}
        for i in indices:
            groups.setdefault(_base(self.names[i]), []).append(i)
        return [tuple(group) for group in groups.values()]

    def add(self, weights: Array, name: str, values: Array, right_share: float = 1.0) -> None:
        """Raises a shape (both sides of it) to at least ``values`` (T,), in place."""
        for suffix, share in (("", 1.0), ("Left", 1.0), ("Right", right_share)):
            column = self.index.get(name + suffix)
            if column is not None:
                weights[:, column] = np.maximum(weights[:, column], share * values)

    def settle(self, weights: Array) -> Array:
        """Lets antagonists give way to each other and clips to [0, 1]: (T, E) -> (T, E)."""
        settled = np.clip(weights, 0.0, 1.0)
        for first, second in self._antagonists:
            settled[:, second] *= 1.0 - settled[:, first]
        return settled


def _base(name: str) -> str:
    if name in _SINGLE:
        return name
    return name.removesuffix("Left").removesuffix("Right")


def smooth_keys(key_times: Array, key_values: Array, times: Array) -> Array:
    """Runs through keys with minimum-jerk steps: at rest in each key, held before and after.

    Shapes: key_times (K,) increasing; key_values (K, C); times (T,) -> (T, C).

    >>> smooth_keys(np.array([0.0, 1.0]), np.array([[0.0], [2.0]]), np.array([-1.0, 0.5, 3.0])).ravel()
    array([0., 1., 2.])
    """
    if len(key_times) == 1:
        return np.repeat(key_values, len(times), axis=0)
    right = np.clip(np.searchsorted(key_times, times), 1, len(key_times) - 1)
    span = key_times[right] - key_times[right - 1]
    step = np.clip((times - key_times[right - 1]) / span, 0.0, 1.0)
    ease = (step**3 * (10.0 - 15.0 * step + 6.0 * step**2))[:, None]
    return key_values[right - 1] * (1.0 - ease) + key_values[right] * ease


def band_limited(rng: np.random.Generator, times: Array, low_hz: float, high_hz: float, terms: int = 7) -> Array:
    """Random motion between two frequencies, within -1 and 1, slow parts larger: times (T,) -> (T,)."""
    frequency = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), terms))
    amplitude = (low_hz / frequency) ** 0.7
    phase = rng.uniform(0.0, 2.0 * np.pi, terms)
    waves = amplitude * np.sin(2.0 * np.pi * frequency * times[:, None] + phase)
    deviation = np.sqrt(0.5 * np.sum(amplitude**2))
    return np.tanh(0.9 * waves.sum(axis=1) / deviation)


def rotation_from_angles(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Rotation about y (yaw), after x (pitch), after z (roll), radians: (T,) each -> (T, 3, 3)."""
    cy, sy, cx, sx, cz, sz = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rows = [
        cy * cz + sy * sx * sz, sy * sx * cz - cy * sz, sy * cx,
        cx * sz, cx * cz, -sx,
        cy * sx * sz - sy * cz, sy * sz + cy * sx * cz, cy * cx,
    ]  # fmt: skip
    return np.stack(rows, axis=-1).reshape(*np.shape(yaw), 3, 3)


def head_motion(rng: np.random.Generator, times: Array, reach: HeadRange) -> tuple[Array, Array]:
    """Turns about the neck and shifts, within the range: times (T,) -> rotation (T, 3, 3), translation (T, 3)."""
    limits = (reach.yaw_deg, reach.pitch_deg, reach.roll_deg)
    angles = [np.radians(limit) * band_limited(rng, times, reach.low_hz, reach.high_hz) for limit in limits]
    shift = np.stack([s * band_limited(rng, times, reach.low_hz, reach.high_hz) for s in reach.shift_mm], axis=-1)
    rotation = rotation_from_angles(*angles)
    return rotation, shift + NECK_PIVOT_MM - rotation @ NECK_PIVOT_MM


def blinks(rng: np.random.Generator, times: Array, every_s: float = 2.6) -> Array:
    """Lid closure in [0, 1]: blinks of 150 to 300 ms, closing faster than opening. times (T,) -> (T,)."""
    closure = np.zeros_like(times)
    at = times[0] + rng.uniform(0.2, every_s)
    while at < times[-1]:
        length = rng.uniform(0.15, 0.30)
        keys = at + length * np.array([0.0, 0.35, 0.5, 1.0])
        height = rng.uniform(0.9, 1.0)
        pulse = smooth_keys(keys, np.array([[0.0], [height], [height], [0.0]]), times)[:, 0]
        closure = np.maximum(closure, pulse)
        at += length + rng.gamma(4.0, every_s / 4.0)
    return closure


def gaze(rng: np.random.Generator, times: Array, shapes: Shapes, weights: Array) -> None:
    """Both eyes look about together, with quick jumps and rests; adds to ``weights`` (T, E) in place."""
    count = int(np.ceil((times[-1] - times[0]) / 0.3)) + 2
    starts = times[0] - 0.5 + np.cumsum(rng.uniform(0.3, 1.4, count))
    targets = rng.normal(0.0, (0.35, 0.3), (count, 2)).clip(-0.8, 0.8)
    key_times = np.stack([starts, starts + 0.06], axis=1).ravel()
    keys = np.concatenate([np.zeros((1, 2)), np.repeat(targets, 2, axis=0)[:-1]])
    aside, up = smooth_keys(key_times, keys, times).T
    for name, amount in (("Up", up), ("Down", -up)):
        shapes.add(weights, f"eyeLook{name}", np.maximum(amount, 0.0))
    for name, amount in (("OutLeft", aside), ("InRight", aside), ("InLeft", -aside), ("OutRight", -aside)):
        shapes.add(weights, f"eyeLook{name}", np.maximum(amount, 0.0))
