"""The peer is refused with a remedy where it is missing, and finds a face where it is there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError
from steadyface.tracking.generic_tracker import LANDMARKS, require_mediapipe, track_landmarks

INSTALLED = find_spec("mediapipe") is not None


@pytest.fixture
def empty_clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "grey.mp4", 96, 64, 30.0) as writer:
        for _ in range(4):
            writer.write(np.full((64, 96, 3), 90, np.uint8))
    return tmp_path / "grey.mp4"


@pytest.mark.skipif(INSTALLED, reason="MediaPipe is installed")
def test_without_mediapipe_it_says_what_to_install(empty_clip: Path) -> None:
    with pytest.raises(InputError, match="make detector"):
        track_landmarks(empty_clip)


@pytest.mark.skipif(not INSTALLED, reason="needs MediaPipe: make detector")
def test_frames_without_a_face_are_counted(empty_clip: Path) -> None:
    require_mediapipe()
    track = track_landmarks(empty_clip)
    assert track.points.shape == (4, LANDMARKS, 2) and not track.found.any()
