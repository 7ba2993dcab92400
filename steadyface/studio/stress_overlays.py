"""Conditions that last for most of a clip, laid over it without rendering again: what the stress suite adds.

They are of the kind of ``condition_kinds`` and stand in the registry of ``conditions``. Those of that module come
and go within a clip, so that one clip shows frames of both kinds; these leave hardly a frame pair untouched.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from steadyface.studio.condition_kinds import (
    LEAST_SEEN,
    Disturbed,
    Floats,
    Pixels,
    Take,
    covered,
    face_box,
    gains_in_linear_light,
    laid_over,
    relit,
    undisturbed,
)
from steadyface.studio.occluders import Sprite, paint_occluder

_SETTLING_FRAMES = 1.5  # time constant of an automatic exposure after a step, frames
_STEP_EVERY = 11  # frames between two steps of an automatism, on average
_BANDS = 1.6  # of the lamp's flicker over the picture's height, through the rolling shutter
_LOCKS = 9  # of hair


def exposure_ramp(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """Exposure that falls steadily over the whole clip, by ``strength`` stops in all, half of it above the clip's."""
    stops = strength * np.linspace(0.5, -0.5, frames, dtype=np.float32)
    return relit(take, frames, np.repeat(stops[:, None], 3, axis=1))


def auto_exposure_steps(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """An automatic exposure that steps up and down by up to ``strength`` stops, and settles within a few frames."""
    wanted = strength * steps(frames, rng)
    stops, now = np.empty(frames, np.float32), float(wanted[0])
    for t in range(frames):
        now += (float(wanted[t]) - now) * (1.0 - np.exp(-1.0 / _SETTLING_FRAMES))
        stops[t] = now
    return relit(take, frames, np.repeat(stops[:, None], 3, axis=1))


def white_balance_steps(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """An automatic white balance that steps red against blue by up to ``strength`` stops, at once."""
    tint = np.array([0.5, 0.0, -0.5], dtype=np.float32)
    return relit(take, frames, strength * steps(frames, rng)[:, None] * tint)


def steps(frames: int, rng: np.random.Generator) -> Floats:
    """Levels (T,) in [-1, 1] that rest, and then step to the other side: what an automatism does in bad light."""
    level, side, t = np.zeros(frames, dtype=np.float32), float(rng.choice([-1.0, 1.0])), int(rng.integers(4, 8))
    while t < frames:
        level[t:], side = side * rng.uniform(0.6, 1.0), -side
        t += int(rng.integers(_STEP_EVERY - 4, _STEP_EVERY + 5))
    return level


def rolling_flicker(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A lamp on alternating current under a rolling shutter: bands of ``strength`` stops either way run through."""
    height = take.frames[0].shape[0]
    turns, start = rng.uniform(0.17, 0.3) * rng.choice([-1.0, 1.0]), rng.uniform(0.0, 1.0)  # of the bands a frame
    row = _BANDS * np.arange(height) / height

    def show(t: int) -> Pixels:
        stops = strength * np.sin(2 * np.pi * (row + turns * t + start))
        return _gains_by_row(take.frames[t], stops)

    return undisturbed(take, frames, (show(t) for t in range(frames)))


def _gains_by_row(frame: Pixels, stops: NDArray[np.float64]) -> Pixels:
    """A frame whose rows have gains of their own, in steps of a fiftieth of a stop: one table a step."""
    level = np.rint(50.0 * stops).astype(np.int64)
    result = np.empty_like(frame)
    for value in np.unique(level):
        rows = level == value
        result[rows] = gains_in_linear_light(frame[rows], [float(2.0 ** (value / 50.0))] * 3)
    return result


def frame_rate_drop(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """Of ``strength`` frames one is left on average, at random; each keeps its time, so the rate is variable."""
    length = frames_of_drop(frames, strength)
    inner = np.sort(rng.permutation(length - 2)[: frames - 2]) + 1
    source = np.concatenate([[0], inner, [length - 1]]) if frames > 1 else np.zeros(1, np.int64)
    shown = (take.frames[place] for place in source)
    return undisturbed(take, frames, shown)._replace(source=source.astype(np.int64))


def frames_of_drop(frames: int, strength: float) -> int:
    """Frames of the take that so many frames of ``frame_rate_drop`` span.

    >>> frames_of_drop(64, 1.5)
    96
    """
    return max(frames, round(strength * frames))


def hand_and_hair(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """A hand passes before the face in the first part, and hair falls into it in the second; they overlap a little.

    ``strength`` is the hand's side over the face's height; the hair reaches as far down the face.
    """
    width = face_box(take.face[0])[1]
    hand = paint_occluder("hand", max(8, round(1.1 * strength * float(width[1]))), int(rng.integers(2**31)))
    hair = _paint_hair(max(8, round(1.15 * float(width[0]))), strength, rng)
    aim, side = rng.uniform(-0.2, 0.2, 2), float(rng.choice([-1.0, 1.0]))
    layers = [_layers(take.face[t], t / frames, hand, hair, aim, side) for t in range(frames)]
    hidden = np.array([
        min(1.0, sum(covered(take.face[t], sprite.alpha, corner) for sprite, corner in layers[t]))
        for t in range(frames)
    ], dtype=np.float32)  # fmt: skip

    def show(t: int) -> Pixels:
        frame = take.frames[t]
        for sprite, corner in layers[t]:
            frame = laid_over(frame, sprite, corner)
        return frame

    shown: Iterator[Pixels] = (show(t) for t in range(frames))
    return undisturbed(take, frames, shown)._replace(hidden=hidden, present=hidden <= 1.0 - LEAST_SEEN)


def _layers(
    face: Floats, now: float, hand: Sprite, hair: Sprite, aim: NDArray[np.float64], side: float
) -> list[tuple[Sprite, NDArray[np.int64]]]:
    """What lies before the face at a time in [0, 1], each with its corner, the nearest last."""
    centre, extent = face_box(face)
    layers = []
    hang = float(np.interp(now, [0.5, 0.65, 0.95, 1.0], [0.0, 1.0, 1.0, 0.7]))
    if hang > 0.0:  # it hangs from above the brows and swings
        swing = np.array([0.07 * np.sin(9.0 * now * np.pi), 0.0]) * extent
        top = centre + np.array([0.06 * side, -0.55]) * extent + swing - np.array([0.5 * len(hair.alpha), 0.0])
        layers.append((hair, np.rint(top - np.array([0.0, (1.0 - hang) * len(hair.alpha)])).astype(np.int64)))
    reach = float(np.interp(now, [0.08, 0.2, 0.5, 0.62], [0.0, 1.0, 1.0, 0.0]))
    if reach > 0.0:
        wander = np.array([0.28 * side * np.cos(3.2 * np.pi * now), 0.1 * np.sin(5.0 * np.pi * now)])
        from_below = np.array([0.5 * side, 1.6]) * extent * (1.0 - reach)
        place = centre + (aim + wander + np.array([0.0, 0.1])) * extent + from_below
        layers.append((hand, np.rint(place - len(hand.alpha) / 2).astype(np.int64)))
    return layers


def _paint_hair(side: int, reach: float, rng: np.random.Generator) -> Sprite:
    """Locks of hair that hang from a square's upper edge, as far as ``reach`` of its height, with gaps between."""
    axis = np.linspace(0.0, 1.0, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    tone = np.array([52.0, 36.0, 26.0]) * rng.uniform(0.6, 1.6)
    colour, alpha = np.zeros((side, side, 3), np.float32), np.zeros((side, side), np.float32)
    for root in np.linspace(0.14, 0.86, _LOCKS) + rng.uniform(-0.04, 0.04, _LOCKS):
        length, width = min(0.98, reach * rng.uniform(0.75, 1.15)), rng.uniform(0.018, 0.04)
        bend, phase = rng.uniform(-0.12, 0.12), rng.uniform(0.0, 6.0)
        start = 0.5 * (root - 0.5) ** 2 + rng.uniform(0.0, 0.04)  # the hairline is round
        along = (y - start) / length
        middle = root + bend * along**2 + 0.012 * np.sin(9.0 * y + phase)
        taper = width * np.sqrt(np.clip(1.0 - along, 0.0, 1.0))
        lock = np.clip(0.5 + (taper - np.abs(x - middle)) * side / 2.0, 0.0, 1.0) * (along < 1.0)
        lock *= np.clip(along / 0.12, 0.0, 1.0)  # it comes out of the hair above
        strands = 1.0 + 0.35 * np.sin(900.0 * (x - middle) + phase) + 0.3 * np.exp(-np.square((along - 0.4) / 0.12))
        colour += (lock * (1.0 - alpha))[..., None] * strands[..., None] * tone
        alpha += lock * (1.0 - alpha)
    colour = np.clip(colour / np.maximum(alpha, 1e-3)[..., None], 0.0, 255.0)
    return Sprite(colour.astype(np.float32), alpha.astype(np.float32))


def coarse(take: Take, frames: int, strength: float, rng: np.random.Generator) -> Disturbed:
    """The whole clip at ``strength`` pixels to one, either way: a face far away, or a poor phone."""
    height, width = take.frames[0].shape[:2]
    size = (max(1, round(width / strength)), max(1, round(height / strength)))

    def coarsen(t: int) -> Pixels:
        small = Image.fromarray(take.frames[t]).resize(size, Image.Resampling.BOX)
        return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))

    return undisturbed(take, frames, (coarsen(t) for t in range(frames)))
