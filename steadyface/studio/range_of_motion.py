"""The lab session: what the subject is asked to do, segment by segment, with Multiface-like names."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steadyface.studio.motion import (
    Array,
    HeadRange,
    Performance,
    Shapes,
    blinks,
    gaze,
    head_motion,
    smooth_keys,
)
from steadyface.studio.speech import speech_weights

LAB_HEAD_RANGE = HeadRange(20.0, 12.0, 8.0, (12.0, 10.0, 15.0), 0.15, 0.9)


class SegmentPlan(NamedTuple):
    """A segment: its name, its share of the frames, the shapes it exercises by prefix, and how
    many of them (left and right count once) are active in a key on average."""

    name: str
    share: float
    prefixes: tuple[str, ...]
    active: float


_BROWS = ("brow",)
_LIPS = ("mouth",)
_ALL = ("jaw", "mouth", "cheek", "brow", "eyeBlink", "eyeSquint", "eyeWide", "nose", "tongue")
SPEECH = ("speech",)

SEGMENTS: tuple[SegmentPlan, ...] = (
    SegmentPlan("E001_Neutral_Eyes_Open", 0.02, (), 0.0),
    SegmentPlan("E003_Neutral_Eyes_Closed", 0.03, ("eyeBlink", "eyeSquint"), 1.5),
    SegmentPlan("E006_Jaw_Drop_Brows_Up", 0.05, ("jawOpen", "browInnerUp", "browOuterUp", "eyeWide"), 2.5),
    SegmentPlan("E010_Smile_Mouth_Open", 0.05, ("mouthSmile", "mouthUpperUp", "cheekSquint", "jawOpen"), 2.5),
    SegmentPlan("E013_Open_Lips_Nose_Wrinkled", 0.05, ("mouthUpperUp", "mouthLower", "noseSneer", "eyeSquint"), 2.5),
    SegmentPlan("E021_Pressed_Lips_Brows_Down", 0.05, ("mouthPress", "mouthRoll", "browDown", "mouthClose"), 2.5),
    SegmentPlan("E026_Lips_Pushed_Forward", 0.05, ("mouthFunnel", "mouthPucker", "mouthShrug", "jawForward"), 2.0),
    SegmentPlan("E041_Mouth_Left_Right", 0.04, ("mouthLeft", "mouthRight", "jawLeft", "jawRight", "mouthDimple"), 2.0),
    SegmentPlan("E057_Cheeks_Puffed", 0.03, ("cheekPuff", "mouthPress", "mouthFrown", "mouthStretch"), 2.0),
    SegmentPlan("EXP_brow001", 0.05, (*_BROWS, "eyeWide", "eyeSquint", "eyeBlink"), 2.0),
    SegmentPlan("EXP_jaw001", 0.07, ("jaw", *_LIPS), 3.0),
    SegmentPlan("EXP_lip001", 0.07, _LIPS, 3.5),
    SegmentPlan("EXP_ROM07_Facial_Expressions", 0.16, _ALL, 5.0),
    SegmentPlan("EXP_free_face", 0.12, _ALL, 5.0),
    SegmentPlan("SEN_a_good_morrow_to_you_my_boy", 0.09, SPEECH, 0.0),
    SegmentPlan("SEN_the_viewpoint_overlooked_the_ocean", 0.07, SPEECH, 0.0),
)  # fmt: skip
"""Enough of each that a model learns it; ``EXP_free_face`` is the one that is usually held out."""


class LabSegment(NamedTuple):
    """A segment's name, the numbers of its frames, and what is performed in them."""

    name: str
    frames: range
    performance: Performance


def lab_session(names: list[str], frame_count: int, fps: float, seed: int) -> list[LabSegment]:
    """Stages the whole session; poses are head -> world with the head near the world's origin.

    Frame numbers run on through the segments, as in the public captures. A session too short
    for every segment leaves the smallest out.

    Args:
        names: of the expression shapes, in the order of the weights.
        frame_count: frames in all.
        fps: frame rate.
        seed: of the performance.
    """
    shapes, segments, first = Shapes(names), [], 0
    for order, (plan, count) in enumerate(zip(SEGMENTS, _allot(frame_count), strict=True)):
        if count:
            rng = np.random.default_rng([seed, 101, order])
            times = (first + np.arange(count)) / fps
            weights = _segment_weights(rng, times, plan, shapes)
            rotation, translation = head_motion(rng, times, LAB_HEAD_RANGE)
            performance = Performance(times, weights, rotation, translation)
            segments.append(LabSegment(plan.name, range(first, first + count), performance))
        first += count
    return segments


def _allot(frame_count: int) -> list[int]:
    """Frames a segment by its share, the largest remainders rounded up, so that they sum up."""
    shares = np.array([plan.share for plan in SEGMENTS])
    exact = shares / shares.sum() * frame_count
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: frame_count - counts.sum()]:
        counts[index] += 1
    return counts.tolist()


def _segment_weights(rng: np.random.Generator, times: Array, plan: SegmentPlan, shapes: Shapes) -> Array:
    if plan.prefixes == SPEECH:
        weights = speech_weights(rng, times, shapes)
    else:
        weights = _exercise(rng, times, shapes, shapes.matching(plan.prefixes), plan.active)
    if plan.prefixes:
        gaze(rng, times, shapes, weights)
        shapes.add(weights, "eyeBlink", blinks(rng, times))
    return shapes.settle(weights)


def _exercise(rng: np.random.Generator, times: Array, shapes: Shapes, indices: list[int], active: float) -> Array:
    """Random combinations of the given shapes, a new one every 0.2 to 0.4 s, smoothly joined."""
    count = int(np.ceil((times[-1] - times[0]) / 0.2)) + 2
    key_times = times[0] + np.concatenate([[0.0], np.cumsum(rng.uniform(0.2, 0.4, count))])
    keys = np.zeros((len(key_times), len(shapes.names)))
    groups = shapes.pairs(indices)
    chance = min(1.0, active / max(len(groups), 1))
    for key in keys:
        for group in groups:
            if rng.random() < chance:
                key[list(group)] = _sides(rng, len(group))
    return smooth_keys(key_times, keys, times)


def _sides(rng: np.random.Generator, count: int) -> Array:
    """Strengths of a shape's sides: mostly alike but never equal, at times one side alone."""
    strength = rng.beta(1.6, 1.0)
    if count == 1:
        return np.array([strength])
    if rng.random() < 0.3:
        return rng.permutation([strength, 0.15 * rng.random() * strength])
    return np.clip(strength * (1.0 + rng.normal(0.0, 0.12, count)), 0.0, 1.0)
