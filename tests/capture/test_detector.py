"""The box search. What needs MediaPipe or a real clip is skipped where either is not there."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from steadyface.capture.detector import detect_box, enclosing_square
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError

CLIPS = Path(os.environ.get("STEADYFACE_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))
HAS_MEDIAPIPE = importlib.util.find_spec("mediapipe") is not None


def blank_clip(path: Path) -> Path:
    with VideoWriter(path, 64, 48, 30) as writer:
        for _ in range(3):
            writer.write(np.full((48, 64, 3), 128, np.uint8))
    return path


def test_the_square_covers_every_detection_with_a_margin() -> None:
    boxes = np.array([[100.0, 50.0, 40.0, 40.0], [160.0, 60.0, 44.0, 42.0]])
    x, y, width, height = enclosing_square(boxes)
    assert width == height == pytest.approx(104 + 1.1 * 42)
    assert x + width / 2 == pytest.approx(152) and y + height / 2 == pytest.approx(76)


@pytest.mark.skipif(HAS_MEDIAPIPE, reason="MediaPipe is installed")
def test_without_mediapipe_both_remedies_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give the box.*or install MediaPipe") as error:
        detect_box(blank_clip(tmp_path / "a.mp4"))
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not HAS_MEDIAPIPE, reason="MediaPipe is not installed")
def test_a_clip_without_a_face(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no detection"):
        detect_box(blank_clip(tmp_path / "a.mp4"))


@pytest.mark.skipif(not HAS_MEDIAPIPE or not CLIPS.is_dir(), reason="needs MediaPipe and the real clips")
@pytest.mark.parametrize(("name", "width", "height"), [("single_face.mp4", 640, 360), ("noface_face.mov", 960, 540)])
def test_real_faces_are_found(name: str, width: int, height: int) -> None:
    x, y, side, other = detect_box(CLIPS / name)
    assert side == other and 0.3 * height < side < 2 * height
    assert 0 < x + side / 2 < width and 0 < y + side / 2 < height
