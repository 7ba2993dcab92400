"""Conditions: frames and truth agree, all follows from the seed, and calibration and test share nothing."""

from __future__ import annotations

import numpy as np
import pytest

from steadyface.errors import InputError
from steadyface.studio.condition_kinds import LEAST_SEEN, Take, gains_in_linear_light
from steadyface.studio.conditions import CALIBRATION, CONDITIONS, TEST, Trial, disturb
from steadyface.studio.occluders import SHAPES, paint_occluder

HEIGHT, WIDTH, FRAMES = 96, 72, 20


@pytest.fixture(scope="module")
def take() -> Take:
    """Frames that all differ, with 48 points of a face that wanders."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(40)]
    x, y = np.meshgrid(np.linspace(22, 46, 6), np.linspace(30, 62, 8))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    wander = np.stack([np.sin(np.arange(40) / 5), np.cos(np.arange(40) / 7)], axis=-1)
    return Take(frames, (points + 2 * wander[:, None]).astype(np.float32), 10.0)


def shown(take: Take, name: str, strength: float, seed: int = 5):
    found = disturb(take, Trial(name, strength, seed), FRAMES)
    return found, list(found.frames)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_gives_frames_and_their_truth(take, name) -> None:
    for strength in CONDITIONS[name].strengths:
        truth, frames = shown(take, name, strength)
        assert len(frames) == FRAMES
        assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for frame in frames)
        assert truth.source.shape == truth.present.shape == truth.hidden.shape == truth.shot.shape == (FRAMES,)
        assert truth.shift.shape == (FRAMES, 2) and truth.present.dtype == bool
        assert truth.source.min() >= 0 and truth.source.max() < len(take.frames)
        assert ((truth.hidden >= 0) & (truth.hidden <= 1)).all()
        again, same = shown(take, name, strength)
        assert all(np.array_equal(one, two) for one, two in zip(frames, same, strict=True))
        assert np.array_equal(again.present, truth.present)


def test_clean_is_the_take(take) -> None:
    truth, frames = shown(take, "clean", 0.0)
    assert all(np.array_equal(frame, take.frames[place]) for frame, place in zip(frames, truth.source, strict=True))
    assert truth.present.all() and not truth.hidden.any() and not truth.shot.any()


@pytest.mark.parametrize("name", ["cup", "ball", "paper"])
def test_what_is_said_to_be_hidden_has_changed(take, name) -> None:
    truth, frames = shown(take, name, 1.0)
    largest = 0.0
    for t in range(FRAMES):
        source = truth.source[t]
        changed = 0
        for x, y in np.rint(take.face[source]).astype(int):
            changed += int(np.abs(frames[t][y, x].astype(int) - take.frames[source][y, x]).max() > 0)
        # the soft edge changes a little more than what counts as hidden
        assert truth.hidden[t] * len(take.face[0]) <= changed + 3
        assert changed <= truth.hidden[t] * len(take.face[0]) + 8
        largest = max(largest, float(truth.hidden[t]))
    assert truth.hidden[0] == 0 and truth.hidden[-1] == 0 and largest > 0.3
    assert np.array_equal(truth.present, truth.hidden <= 1 - LEAST_SEEN)


def test_shapes_have_soft_edges_and_differ_by_seed() -> None:
    for name in SHAPES:
        sprite = paint_occluder(name, 60, 3)
        assert sprite.colour.shape == (60, 60, 3) and sprite.alpha.max() == 1.0
        assert ((sprite.alpha > 0.05) & (sprite.alpha < 0.95)).sum() > 20
        assert not np.array_equal(sprite.colour, paint_occluder(name, 60, 4).colour)


def test_a_stop_doubles_the_light() -> None:
    frame = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    brighter = gains_in_linear_light(frame, (2.0, 1.0, 0.5))

    def linear(value: float) -> float:
        value /= 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    for value in (5, 60, 120, 180):
        for channel, gain in enumerate((2.0, 1.0, 0.5)):
            assert linear(float(brighter[0, value, channel])) == pytest.approx(gain * linear(value), rel=0.06, abs=3e-4)
    assert brighter[0, 255].tolist()[:2] == [255, 255]


def test_exposure_comes_and_goes(take) -> None:
    truth, frames = shown(take, "exposure", -2.0)
    pairs = zip(frames, truth.source, strict=True)
    means = np.array([frame.mean() / take.frames[place].mean() for frame, place in pairs])
    assert means[0] == means[-1] == 1.0 and means.min() < 0.6


def test_a_jump_leaves_out_what_it_says(take) -> None:
    truth, frames = shown(take, "jump", 1.0)
    cut = int(np.flatnonzero(np.diff(truth.source) != 1)[0]) + 1
    assert truth.source[cut] - truth.source[cut - 1] == 11  # 10 frames left out
    assert truth.shot.tolist() == [0] * cut + [1] * (FRAMES - cut)
    assert np.array_equal(frames[cut], take.frames[truth.source[cut]])


@pytest.mark.parametrize("name", ["cut_to_room", "cut_to_card", "covered_lens"])
def test_away_is_away(take, name) -> None:
    truth, frames = shown(take, name, 0.4)
    assert (~truth.present).sum() == 8 and truth.shot.max() == 2
    for t, frame in enumerate(frames):
        same = np.array_equal(frame, take.frames[truth.source[t]])
        assert same == bool(truth.present[t])
        assert truth.shot[t] == (0 if t < np.flatnonzero(~truth.present)[0] else 2 - int(~truth.present[t]))


def test_a_moved_picture_has_its_pixels_where_it_says(take) -> None:
    truth, frames = shown(take, "leave", 1.1)
    assert (~truth.present).any() and truth.present[0] and truth.present[-1]
    t = int(np.flatnonzero(truth.shift.any(1))[0])
    x, y = truth.shift[t].astype(int)
    source = take.frames[truth.source[t]]
    for row, column in [(20, 30), (50, 40), (70, 10)]:
        if 0 <= row + y < HEIGHT and 0 <= column + x < WIDTH:
            assert np.array_equal(frames[t][row + y, column + x], source[row, column])
    moved = take.face[truth.source[t]] + truth.shift[t]
    beyond = sum(not (0 <= px <= WIDTH - 1 and 0 <= py <= HEIGHT - 1) for px, py in moved)
    assert truth.hidden[t] == pytest.approx(beyond / len(moved))


def test_calibration_and_test_share_nothing() -> None:
    hiding = set(SHAPES)
    both = (CALIBRATION, TEST)
    pairs = [{(trial.condition, trial.strength) for trial in trials if trial.strength} for trials in both]
    seeds = [{trial.seed for trial in trials} for trials in both]
    shapes = [{trial.condition for trial in trials} & hiding for trials in both]
    assert not pairs[0] & pairs[1] and not seeds[0] & seeds[1] and not shapes[0] & shapes[1]
    assert {trial.condition for trial in (*CALIBRATION, *TEST)} == set(CONDITIONS)
    assert shapes[0] | shapes[1] == hiding and all(shapes)


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        (Trial("hnad", 0.5, 0), "the nearest is hand"),
        (Trial("noise", 300.0, 0), "0 to 255"),
        (Trial("jump", 30.0, 0), "at least 320 frames"),
    ],
)
def test_what_cannot_be_made_is_said(take, trial, message) -> None:
    with pytest.raises(InputError, match=message):
        disturb(take, trial, FRAMES)
