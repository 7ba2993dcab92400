"""Motion out of tracked landmarks, against landmarks that were moved in a known way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from steadyface.errors import InputError
from steadyface.studio.other_world.deformation import NAMES
from steadyface.studio.other_world.replay import (
    EYE_CORNERS_MM,
    LANDMARKS,
    Replay,
    replay_from_landmarks,
    replayed,
)
from steadyface.studio.other_world.settings import OtherWorldSettings

FRAMES = 60
TIMES = np.arange(FRAMES) / 30.0


def face() -> np.ndarray:
    """A face at rest, in pixels: the landmarks that are used where they belong, the others anywhere."""
    points = np.random.default_rng(0).normal(0.0, 40.0, (LANDMARKS, 3))
    placed = {
        10: (0, -90, -20), 151: (0, -70, -26), 9: (0, -50, -28), 8: (0, -42, -28), 168: (0, -30, -30), 6: (0, -20, -33),
        33: (-44, -20, 0), 133: (-16, -19, -6), 263: (44, -20, 0), 362: (16, -19, -6), 1: (0, 12, -45),
        13: (0, 40, -30), 14: (0, 41, -30), 61: (-25, 40, -18), 291: (25, 40, -18), 105: (-30, -42, -8),
        334: (30, -42, -8), 159: (-30, -25, -6), 145: (-30, -15, -6), 386: (30, -25, -6), 374: (30, -15, -6),
        468: (-30, -19.5, -6), 473: (30, -19.5, -6),
    }  # fmt: skip
    for index, place in placed.items():
        points[index] = place
    return points


def tracked(turns: np.ndarray, shifts: np.ndarray, frames: list[np.ndarray]) -> np.ndarray:
    turn = Rotation.from_rotvec(turns).as_matrix()
    return np.einsum("tij,tnj->tni", turn, np.stack(frames)) + shifts[:, None]


def test_turn_and_shift_come_back() -> None:
    angle = 0.25 * np.sin(2.0 * np.pi * TIMES)
    turns = np.stack([0.0 * angle, angle, 0.3 * angle], axis=1)
    shifts = np.stack([20.0 * np.sin(TIMES), 0.0 * TIMES, 0.0 * TIMES], axis=1)
    about = face()[[10, 151, 9, 8, 168, 6, 33, 263, 133, 362]].mean(0)
    landmarks = tracked(turns, shifts, [face() - about] * FRAMES)
    found = replay_from_landmarks(TIMES, landmarks)
    apart = Rotation.from_rotvec(found.turn) * Rotation.from_rotvec(turns).inv()
    spread = (apart[0].inv() * apart).magnitude()
    assert spread.max() < 0.02  # but for the middle pose, which is taken as straight
    np.testing.assert_allclose(np.diff(found.shift, axis=0), np.diff(shifts, axis=0) / 88.0, atol=1e-3)


def test_an_opening_mouth_and_a_blink_are_told_apart() -> None:
    frames = [face() for _ in TIMES]
    for number in range(20, 30):
        frames[number][14] += [0.0, 20.0, 0.0]
    for number in range(40, 44):
        frames[number][[159, 386], 1] = -15.5
    found = replay_from_landmarks(TIMES, np.stack(frames))
    of = {name: found.values[:, index] for index, name in enumerate(found.names)}
    assert of["jaw_drop"][25] > 0.5 and of["jaw_drop"][10] < 0.1
    assert of["lids_left"][41] > 0.8 and abs(of["lids_left"][10]) < 0.05
    assert np.abs(of["smile_left"]).max() < 0.05


def test_a_file_is_read_back_and_played_back_and_forth(tmp_path: Path) -> None:
    values = np.stack([np.clip(np.sin(3.0 * TIMES), 0, 1), np.zeros(FRAMES)], axis=1)
    turn = np.stack([0.2 * TIMES / TIMES[-1], 0 * TIMES, 0 * TIMES], axis=1)
    shift = np.tile([0.1, 0.0, 0.0], (FRAMES, 1))
    Replay(TIMES, turn, shift, ("jaw_drop", "smile_left"), values).save(tmp_path / "motion.npz")
    replay = Replay.load(tmp_path / "motion.npz")
    motion = replayed(replay, np.random.default_rng(0), 5.0, OtherWorldSettings())
    assert motion.controls[:, NAMES.index("jaw_drop")].max() == pytest.approx(1.0, abs=0.02)
    assert motion.controls[:, NAMES.index("smile_left")].max() == 0.0
    assert np.abs(np.diff(motion.head[:, 0])).max() < 0.002  # no jump where the clip is turned around
    np.testing.assert_allclose(motion.head[:, 3], 0.1 * EYE_CORNERS_MM, atol=1e-6)


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    good = Replay(TIMES, np.zeros((FRAMES, 3)), np.zeros((FRAMES, 3)), ("jaw_drop",), np.zeros((FRAMES, 1)))
    (tmp_path / "text.npz").write_text("no archive")
    for name, bad in {
        "unknown": dataclasses.replace(good, names=("nose_length",)),
        "short": dataclasses.replace(good, values=np.zeros((3, 1))),
    }.items():
        bad.save(tmp_path / f"{name}.npz")
    for name in ("text", "unknown", "short", "absent"):
        with pytest.raises(InputError):
            Replay.load(tmp_path / f"{name}.npz")
    with pytest.raises(InputError):
        replay_from_landmarks(TIMES, np.full((FRAMES, LANDMARKS, 3), np.nan))
