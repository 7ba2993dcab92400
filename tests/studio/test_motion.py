"""Trajectories are smooth, bounded and follow from the seed."""

from __future__ import annotations

import numpy as np

from steadyface.studio.motion import (
    HeadRange,
    Shapes,
    band_limited,
    blinks,
    gaze,
    head_motion,
    rotation_from_angles,
    smooth_keys,
)

TIMES = np.arange(3000) / 100.0
NAMES = ["jawOpen", "jawLeft", "jawRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight"]
NAMES += ["mouthSmileLeft", "mouthSmileRight", "mouthPucker"]


def test_smooth_keys_pass_through_keys_and_rest_there() -> None:
    key_times = np.array([0.0, 0.5, 2.0])
    keys = np.array([[0.0], [1.0], [-1.0]])
    assert np.allclose(smooth_keys(key_times, keys, key_times), keys)
    near = smooth_keys(key_times, keys, key_times[1] + np.array([-1e-3, 1e-3]))
    assert np.allclose(near, 1.0, atol=1e-6)


def test_band_limited_stays_in_bounds_and_in_its_band() -> None:
    wave = band_limited(np.random.default_rng(0), TIMES, 0.2, 1.0)
    assert np.abs(wave).max() <= 1.0
    assert wave.std() > 0.3
    power = np.abs(np.fft.rfft(wave - wave.mean())) ** 2
    frequency = np.fft.rfftfreq(len(TIMES), 0.01)
    assert power[frequency > 4.0].sum() < 0.01 * power.sum()


def test_angles_turn_the_way_their_names_say() -> None:
    one = np.array([0.1])
    none = np.zeros(1)
    forward = np.array([0.0, 0.0, 1.0])
    assert (rotation_from_angles(one, none, none)[0] @ forward)[0] > 0.09
    assert (rotation_from_angles(none, one, none)[0] @ forward)[1] < -0.09
    assert (rotation_from_angles(none, none, one)[0] @ np.array([1.0, 0.0, 0.0]))[1] > 0.09


def test_head_motion_keeps_its_range() -> None:
    reach = HeadRange(22.0, 10.0, 8.0, (25.0, 10.0, 5.0), 0.1, 0.8)
    rotation, translation = head_motion(np.random.default_rng(1), TIMES, reach)
    assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    yaw = np.degrees(np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]))
    pitch = np.degrees(np.arcsin(-rotation[:, 1, 2]))
    assert 10.0 < np.abs(yaw).max() <= 22.0
    assert 4.0 < np.abs(pitch).max() <= 10.0
    assert np.abs(translation).max() < 60.0


def test_blinks_last_150_to_300_ms() -> None:
    closure = blinks(np.random.default_rng(2), TIMES)
    moving = np.flatnonzero(np.diff((closure > 1e-3).astype(int)))
    lengths = (moving[1::2] - moving[: len(moving) // 2 * 2 : 2]) / 100.0
    assert len(lengths) >= 4
    assert lengths.min() > 0.1 and lengths.max() <= 0.31
    assert closure.max() > 0.85


def test_antagonists_give_way_once() -> None:
    shapes = Shapes(NAMES)
    weights = np.zeros((1, len(NAMES)))
    weights[0, [1, 2, 3, 5, 7, 8, 9]] = 0.5
    settled = shapes.settle(weights)[0]
    assert settled[1] == 0.5 and settled[2] == 0.25  # a direction against the other, not once a side
    assert settled[3] == 0.5 and settled[5] == 0.25  # left lid and left wide
    assert settled[9] == 0.125  # both corners of a smile pull at the pucker


def test_both_eyes_look_the_same_way() -> None:
    names = [f"eyeLook{way}{side}" for way in ("In", "Out", "Up", "Down") for side in ("Left", "Right")]
    shapes, weights = Shapes(names), np.zeros((len(TIMES), 8))
    gaze(np.random.default_rng(3), TIMES, shapes, weights)
    assert np.allclose(weights[:, shapes.index["eyeLookOutLeft"]], weights[:, shapes.index["eyeLookInRight"]])
    both = weights[:, shapes.index["eyeLookInLeft"]] * weights[:, shapes.index["eyeLookOutLeft"]]
    assert np.all(both == 0.0)
    assert weights.max() > 0.2
