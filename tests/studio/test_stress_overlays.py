"""Conditions that last: most frames are touched, truth and time stamps follow the frames, all follows from the seed."""

from __future__ import annotations

import numpy as np
import pytest

from steadyface.studio.condition_kinds import Take
from steadyface.studio.conditions import LASTING, Trial, disturb, frames_needed
from steadyface.studio.stress_overlays import steps

HEIGHT, WIDTH, FRAMES = 96, 72, 32


@pytest.fixture(scope="module")
def take() -> Take:
    """Frames that all differ, grey on average, with 48 points of a face that wanders."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(70)]
    x, y = np.meshgrid(np.linspace(20, 50, 6), np.linspace(25, 68, 8))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    wander = np.stack([np.sin(np.arange(70) / 5), np.cos(np.arange(70) / 7)], axis=-1)
    return Take(frames, (points + 2 * wander[:, None]).astype(np.float32), 10.0)


def shown(take: Take, name: str, strength: float, seed: int = 5):
    found = disturb(take, Trial(name, strength, seed), FRAMES)
    return found, list(found.frames)


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_condition_touches_most_of_the_clip_and_repeats_itself(take, name) -> None:
    for strength in LASTING[name].strengths:
        truth, frames = shown(take, name, strength)
        again, same = shown(take, name, strength)
        assert len(frames) == FRAMES and all(np.array_equal(a, b) for a, b in zip(frames, same, strict=True))
        assert np.array_equal(truth.source, again.source) and np.array_equal(truth.hidden, again.hidden)
        assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for frame in frames)
        originals = [take.frames[place] for place in truth.source]
        touched = [not np.array_equal(a, b) for a, b in zip(frames, originals, strict=True)]
        if name == "frame_rate_drop":
            assert not any(touched) and (np.diff(truth.source) > 1).mean() > 0.25
        else:
            assert np.mean(touched) > 0.7


def test_left_out_frames_leave_the_others_their_truth(take) -> None:
    trial = Trial("frame_rate_drop", 2.0, 3)
    truth, frames = shown(take, trial.condition, trial.strength, trial.seed)
    assert frames_needed(trial, FRAMES, take.fps) == 64
    assert truth.source[-1] - truth.source[0] == 63 and (np.diff(truth.source) >= 1).all()
    assert len(set(np.diff(truth.source))) > 2  # the rate varies
    for frame, source in zip(frames, truth.source, strict=True):
        assert np.array_equal(frame, take.frames[source])
    nothing, _ = shown(take, trial.condition, 1.0, trial.seed)
    assert (np.diff(nothing.source) == 1).all()


def light(frame: np.ndarray) -> float:
    """Mean linear light, by a loop over the levels."""
    levels, counts = np.unique(frame, return_counts=True)
    total = 0.0
    for level, number in zip(levels / 255.0, counts, strict=True):
        total += number * (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4)
    return total / frame.size


def test_the_ramp_falls_by_as_many_stops_as_it_says(take) -> None:
    truth, frames = shown(take, "exposure_ramp", 2.0)
    originals = [take.frames[place] for place in truth.source]
    stops = [np.log2(light(frame) / light(original)) for frame, original in zip(frames, originals, strict=True)]
    assert np.allclose(stops, np.linspace(1.0, -1.0, FRAMES), atol=0.03)


def test_an_automatism_goes_to_both_sides_and_rests_between() -> None:
    for seed in range(5):
        level = steps(64, np.random.default_rng(seed))
        assert level.min() < -0.5 and level.max() > 0.5 and np.abs(level).max() <= 1.0
        assert 3 <= (np.diff(level) != 0).sum() <= 12


def test_white_balance_moves_red_against_blue_and_leaves_green(take) -> None:
    truth, frames = shown(take, "white_balance_steps", 1.0)
    before = np.stack([take.frames[place] for place in truth.source]).astype(float)
    after = np.stack(frames).astype(float)
    assert np.array_equal(after[..., 1], before[..., 1])
    red, blue = (np.log((after[..., c] / before[..., c]).mean((1, 2))) for c in (0, 2))
    moved = np.abs(red) > 0.05
    assert moved.mean() > 0.7 and (red[moved] * blue[moved] < 0).all() and red.max() > 0.1 and red.min() < -0.1


def test_flicker_is_bands_that_run(take) -> None:
    truth, frames = shown(take, "rolling_flicker", 0.5)
    ratio = np.stack([
        frame.astype(float).mean((1, 2)) / take.frames[place].astype(float).mean((1, 2))
        for frame, place in zip(frames, truth.source, strict=True)
    ])  # fmt: skip
    assert ratio.max(1).min() > 1.1 and ratio.min(1).max() < 0.9  # bright and dark rows in every frame
    assert (np.abs(np.diff(ratio, axis=0)).mean(1) > 0.02).all()


def test_hand_and_hair_hide_what_they_are_said_to_hide(take) -> None:
    truth, frames = shown(take, "hand_and_hair", 1.0)
    first, second = truth.hidden[5:15], truth.hidden[20:30]
    assert first.max() > 0.3 and second.max() > 0.15 and truth.hidden[0] == 0.0
    for t in range(FRAMES):
        changed = 0
        for x, y in np.rint(take.face[truth.source[t]]).astype(int):
            changed += int(not np.array_equal(frames[t][y, x], take.frames[truth.source[t]][y, x]))
        assert changed / len(take.face[0]) >= truth.hidden[t] - 0.1


def test_a_coarse_picture_has_no_detail(take) -> None:
    _, frames = shown(take, "coarse", 8.0)
    detail = [np.abs(np.diff(frame.astype(float), axis=1)).mean() for frame in frames]
    assert max(detail) < 0.2 * np.abs(np.diff(take.frames[0].astype(float), axis=1)).mean()
