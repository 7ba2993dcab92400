"""The lab's cameras stand where they should, and each gets its turn."""

from __future__ import annotations

import numpy as np

from steadyface.studio.lab_cameras import HEAD_SHARE, camera_gains, cameras_in_turn, lab_cameras


def test_cameras_look_at_the_head_from_the_arc() -> None:
    cameras = lab_cameras(8, 256, 192, 270.0)
    assert len({camera.name for camera in cameras}) == 8
    for camera in cameras:
        centre = -camera.rotation.T @ camera.translation
        distance = np.linalg.norm(centre)
        assert abs(distance - 1000) < 50
        assert abs(np.degrees(np.arctan2(centre[0], -centre[2]))) <= 50.001
        assert -20.001 <= np.degrees(np.arcsin(-centre[1] / distance)) <= 25.001
        assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3)) and np.linalg.det(camera.rotation) > 0
        pixel = camera.intrinsics @ camera.translation
        assert np.abs(pixel[:2] / pixel[2] - [95.5, 127.5]).max() < 12
        assert abs(camera.intrinsics[1, 1] * 270 / distance / 256 - HEAD_SHARE) < 0.01
        assert not camera.distortion.any()
        # the world's down is down in the picture
        assert camera.rotation[1] @ [0, 1, 0] > 0.8


def test_gains_differ_within_three_percent() -> None:
    gains = camera_gains(8)
    assert np.abs(gains - 1).max() <= 0.03 and gains.std() > 0.005


def test_every_camera_gets_its_turn() -> None:
    for count, per_frame in ((8, 3), (8, 1), (4, 2), (3, 3), (2, 1), (1, 1)):
        turns = [cameras_in_turn(frame, count, per_frame) for frame in range(60)]
        assert all(len(turn) == len(set(turn)) == per_frame for turn in turns), (count, per_frame)
        assert {camera for turn in turns for camera in turn} == set(range(count))
