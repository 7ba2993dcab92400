"""The conditions themselves: hidden, relit, cut, leaving, blurred, coarse, noisy. See ``conditions``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d

from steadyface.capture.degradation import compress
from steadyface.capture.video import VideoFrame
from steadyface.studio.backgrounds import MARGIN_PX
from steadyface.studio.faceless import Paint, add_grain, room_with_margin
from steadyface.studio.occluders import Sprite, paint_occluder

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

LEAST_SEEN = 0.15
"""A face of which less than this share is in the picture and uncovered is not there."""


class Take(NamedTuple):
    """frames, (H, W, 3) uint8 sRGB each; face (F, n, 2), where points all over the face truly lie, pixels."""

    frames: Sequence[Pixels]
    face: Floats
    fps: float


class Disturbed(NamedTuple):
    """T frames, made one at a time when asked for, and their truth.

    source (T,): the take's frame whose truth holds; shift (T, 2): pixels by which the picture was moved, which
    the principal point moves with; present (T,) bool: whether the face is there; hidden (T,): share of the
    face's points that are covered or beyond the border; shot (T,): one more after each cut.
    """

    frames: Iterator[Pixels]
    source: NDArray[np.int64]
    shift: Floats
    present: NDArray[np.bool_]
    hidden: Floats
    shot: NDArray[np.int64]

    def from_(self, start: int) -> Disturbed:
        """The same of a take that starts earlier by ``start`` frames."""
        return self._replace(source=self.source + start)


Make = Callable[[Take, int, float, np.random.Generator], Disturbed]


@dataclass(frozen=True)
class Condition:
    """A way in which a clip goes wrong: unit of its strength, usual strengths, their range, and what makes it."""

    unit: str
    strengths: tuple[float, ...]
    lowest: float
    highest: float
    make: Make


def course(frames: int, rng: np.random.Generator, ramp: float = 0.1) -> Floats:
    """How far a condition has come, (T,) in [0, 1]: nothing, moving in, resting, moving out, nothing.

    Args:
        frames: T.
        rng: draws when.
        ramp: share of the clip that coming and going take, each.
    """
    start, length = rng.uniform(0.2, 0.45), rng.uniform(0.25, 0.4)
    time = np.arange(frames) / max(frames, 1)
    rise = np.clip((time - start) / max(ramp, 1e-6), 0.0, 1.0)
    fall = np.clip((start + length - time) / max(ramp, 1e-6), 0.0, 1.0)
    value = np.minimum(rise, fall)
    return (value * value * (3.0 - 2.0 * value)).astype(np.float32)


def undisturbed(take: Take, frames: int, shown: Iterator[Pixels]) -> Disturbed:
    """The first frames of a take as they are shown, with the truth of those frames."""
    zeros = np.zeros(frames, dtype=np.float32)
    none = np.zeros((frames, 2), dtype=np.float32)
    return Disturbed(shown, np.arange(frames), none, np.ones(frames, bool), zeros, np.zeros(frames, np.int64))


def leave_alone(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """The take as it is."""
    return undisturbed(take, frames, iter(take.frames[:frames]))


def face_box(points: Floats) -> tuple[Floats, Floats]:
    """Centre and size (width, height) of one frame's points (n, 2), pixels."""
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, high - low


def occluder(shape: str) -> Make:
    """Something moves before the face, rests there, and goes: its side is ``strength`` times the face's height."""

    def make(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
        height, width = take.frames[0].shape[:2]
        _, size = face_box(take.face[0])
        sprite = paint_occluder(shape, max(8, round(1.25 * strength * float(size[1]))), int(rng.integers(2**31)))
        side = len(sprite.alpha)
        aim = rng.uniform(-0.35, 0.35, 2) * max(0.0, 1.2 - strength)  # what is small hides some part, what is large all
        angle = rng.choice([0.5, 0.5, 0.0, 1.0]) * np.pi + rng.uniform(-0.4, 0.4)  # from below, or from a side
        away = np.array([np.cos(angle), np.sin(angle)]) * (np.hypot(height, width) / 2 + side)
        progress, sway = course(frames, rng), rng.uniform(0.0, 6.0, 2)
        corner = np.empty((frames, 2), dtype=np.int64)
        for t in range(frames):
            centre, extent = face_box(take.face[t])
            rest = centre + aim * extent + 0.02 * extent * np.sin(0.2 * t + sway)
            corner[t] = np.rint(rest + (1.0 - progress[t]) * away - side / 2)
        hidden = np.array(
            [covered(take.face[t], sprite.alpha, corner[t]) for t in range(frames)], dtype=np.float32
        )
        shown = (laid_over(take.frames[t], sprite, corner[t]) for t in range(frames))
        return undisturbed(take, frames, shown)._replace(hidden=hidden, present=hidden <= 1.0 - LEAST_SEEN)

    return make


def covered(points: Floats, alpha: Floats, corner: NDArray[np.int64]) -> float:
    """Share of points (n, 2) under an alpha (h, w) at a corner."""
    place = np.rint(points).astype(np.int64) - corner
    inside = ((place >= 0) & (place < alpha.shape[::-1])).all(1)
    return float((alpha[place[inside, 1], place[inside, 0]] > 0.5).sum() / len(points))


def laid_over(frame: Pixels, sprite: Sprite, corner: NDArray[np.int64]) -> Pixels:
    """A frame with a sprite before it, whose first pixel lies at ``corner`` (x, y), in the picture or not."""
    height, width = frame.shape[:2]
    side = len(sprite.alpha)
    x0, y0 = max(int(corner[0]), 0), max(int(corner[1]), 0)
    x1, y1 = min(int(corner[0]) + side, width), min(int(corner[1]) + side, height)
    if x0 >= x1 or y0 >= y1:
        return frame
    window = (slice(y0 - int(corner[1]), y1 - int(corner[1])), slice(x0 - int(corner[0]), x1 - int(corner[0])))
    alpha = sprite.alpha[window][..., None]
    result = frame.copy()
    below = result[y0:y1, x0:x1].astype(np.float32)
    result[y0:y1, x0:x1] = np.rint(below + alpha * (sprite.colour[window] - below)).astype(np.uint8)
    return result


def gains_in_linear_light(frame: Pixels, gains: Sequence[float]) -> Pixels:
    """A frame (H, W, 3) whose red, green and blue light is multiplied; what is too bright is cut off."""
    encoded = np.arange(256) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    brighter = np.clip(linear[:, None] * np.asarray(gains), 0.0, 1.0)
    again = np.where(brighter <= 0.0031308, 12.92 * brighter, 1.055 * brighter ** (1 / 2.4) - 0.055)
    table = np.rint(255.0 * again).astype(np.uint8)
    return np.stack([table[frame[..., channel], channel] for channel in range(3)], axis=-1)


def relit(take: Take, frames: int, stops: Floats) -> Disturbed:
    """Under gains of (T, 3) stops."""
    gains = np.exp2(stops)
    shown = (gains_in_linear_light(take.frames[t], gains[t]) for t in range(frames))
    return undisturbed(take, frames, shown)


def change_exposure(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A step of exposure by ``strength`` stops, and back."""
    return relit(take, frames, np.repeat(strength * course(frames, rng, ramp=0.02)[:, None], 3, axis=1))


def change_white_balance(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A step of red against blue by ``strength`` stops, and back."""
    tint = np.array([0.5, 0.0, -0.5], dtype=np.float32)
    return relit(take, frames, strength * course(frames, rng, ramp=0.02)[:, None] * tint)


def flicker(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """Exposure that swings by ``strength`` stops either way, some times a second."""
    turns = rng.uniform(3.0, 12.0) / take.fps
    swing = np.sin(2 * np.pi * turns * np.arange(frames)) * course(frames, rng)
    return relit(take, frames, np.repeat(strength * swing[:, None].astype(np.float32), 3, axis=1))


def jump(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A cut to later in the same take: ``strength`` seconds are left out."""
    cut = int(frames * rng.uniform(0.3, 0.7))
    skipped = round(strength * take.fps)
    source = np.arange(frames) + skipped * (np.arange(frames) >= cut)
    same = undisturbed(take, frames, (take.frames[place] for place in source))
    return same._replace(source=source, shot=(np.arange(frames) >= cut).astype(np.int64))


def cut_away(paint: Paint) -> Make:
    """A cut to something without a face for a share ``strength`` of the clip, and back to the take."""

    def make(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
        length = round(strength * frames)
        start = int(rng.integers(max(1, frames // 10), max(2, frames - length - frames // 10)))
        away = (np.arange(frames) >= start) & (np.arange(frames) < start + length)
        height, width = take.frames[0].shape[:2]
        other = paint(height, width, frames, rng)
        shown = (other(t) if away[t] else take.frames[t] for t in range(frames))
        shot = np.cumsum(np.diff(away, prepend=False)).astype(np.int64)
        same = undisturbed(take, frames, shown)
        return same._replace(present=~away, hidden=away.astype(np.float32), shot=shot)

    return make


def leave_picture(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """The camera turns away until a share ``strength`` of the face's extent is beyond a border, and turns back."""
    height, width = take.frames[0].shape[:2]
    progress, side = course(frames, rng, ramp=0.15), int(rng.integers(3))  # left, right, bottom
    shift = np.zeros((frames, 2), dtype=np.float32)
    for t in range(frames):
        centre, size = face_box(take.face[t])
        to_border = (centre[0] + size[0] / 2, width - 1 - centre[0] + size[0] / 2, height - 1 - centre[1] + size[1] / 2)
        axis, sign = (1, 1) if side == 2 else (0, 1 if side == 1 else -1)
        # the far edge of the face touches the border at a strength of 1
        shift[t, axis] = np.rint(sign * progress[t] * (to_border[side] - (1.0 - strength) * size[axis]))
    moved = take.face[:frames] + shift[:, None]
    outside = ((moved < 0) | (moved > np.array([width - 1, height - 1]))).any(-1).mean(1).astype(np.float32)
    room = room_with_margin(height, width, int(rng.integers(2**31)))
    beyond = add_grain(room, 2.0, 0, 0)[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    shown = (_moved(take.frames[t], beyond, shift[t].astype(int)) for t in range(frames))
    same = undisturbed(take, frames, shown)
    return same._replace(shift=shift, hidden=outside, present=outside <= 1.0 - LEAST_SEEN)


def _moved(frame: Pixels, beyond: Pixels, shift: NDArray[np.int64]) -> Pixels:
    """The frame moved by whole pixels; where it has none, what lies beyond."""
    height, width = frame.shape[:2]
    x, y = int(shift[0]), int(shift[1])
    result = beyond.copy()
    result[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = frame[
        max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
    ]
    return result


def motion_blur(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """Shakes that smear the picture along an axis over ``strength`` times the face's height."""
    axis, progress = int(rng.integers(2)), course(frames, rng)
    reach = strength * float(face_box(take.face[0])[1][1])

    def smear(t: int) -> Pixels:
        length = round(reach * float(progress[t]))
        return uniform_filter1d(take.frames[t], length, axis=axis, mode="nearest") if length > 1 else take.frames[t]

    return undisturbed(take, frames, (smear(t) for t in range(frames)))


def low_resolution(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A burst in which ``strength`` pixels become one, either way."""
    progress = course(frames, rng, ramp=0.02)

    def coarsen(t: int) -> Pixels:
        factor = 1.0 + (strength - 1.0) * float(progress[t])
        if factor <= 1.01:
            return take.frames[t]
        height, width = take.frames[t].shape[:2]
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        small = Image.fromarray(take.frames[t]).resize(size, Image.Resampling.BOX)
        return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))

    return undisturbed(take, frames, (coarsen(t) for t in range(frames)))


def noise(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A burst of white noise of ``strength`` 8-bit levels."""
    progress, seed = course(frames, rng, ramp=0.02), int(rng.integers(2**31))
    sigma = strength * progress
    shown = (add_grain(take.frames[t].astype(np.float32), float(sigma[t]), seed, t) for t in range(frames))
    return undisturbed(take, frames, shown)


def compression(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """The whole stretch encoded by H.264 at a constant rate factor of ``strength``."""
    clean = (VideoFrame(t, t / take.fps, take.frames[t]) for t in range(frames))
    return undisturbed(take, frames, (frame.image for (frame,) in compress(clean, [strength])))
