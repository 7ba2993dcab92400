"""A generic tracker as a peer: MediaPipe's FaceMesh, 478 landmarks of anybody's face.

It knows no subject and has no mesh of this one, so only how steadily it moves is compared. It is a
peer and nothing else: no figure of any other row is measured against it, and no network of this
project learns from it.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from steadyface.capture.video import probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.landmark_track import LandmarkTrack

LANDMARKS = 478  # of FaceMesh with its attention model: 468 of the skin, 10 of the irises


def track_landmarks(clip: Path) -> LandmarkTrack:
    """Track every frame of a clip in MediaPipe's video mode, the largest face it finds.

    Returns:
        the landmarks; nan in frames without a face.

    Raises:
        InputError: MediaPipe is not installed, or the clip cannot be read.
    """
    require_mediapipe()
    os.environ.setdefault("GLOG_minloglevel", "2")  # its start-up lines are no news to a user
    from mediapipe.python.solutions.face_mesh import FaceMesh

    points, times = [], []
    total = probe(clip).frame_count or None
    with (
        FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True) as mesh,
        tqdm(total=total, desc="generic tracker", unit="frame", disable=None) as bar,
    ):
        for frame in read_frames(clip):
            points.append(_landmarks(mesh, frame.image))
            times.append(frame.time_s)
            bar.update()
    return LandmarkTrack(torch.from_numpy(np.stack(points)), torch.tensor(times, dtype=torch.float64))


def require_mediapipe() -> None:
    """Raises InputError where MediaPipe is not installed."""
    if find_spec("mediapipe") is None:
        raise InputError(
            "generic_tracker", "MediaPipe", "an environment without it",
            "run `make detector`, or leave generic_tracker out of evaluation.baselines",
        )  # fmt: skip


def _landmarks(mesh: Any, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(478, 2) pixels of one frame (H, W, 3) sRGB; nan without a face."""
    faces = mesh.process(np.ascontiguousarray(image)).multi_face_landmarks
    if not faces:
        return np.full((LANDMARKS, 2), np.nan)
    height, width = image.shape[:2]
    shares = np.array([(point.x, point.y) for point in faces[0].landmark])
    return shares * (width, height) - 0.5  # its 0 and 1 are the picture's edges, ours the outermost pixel centres
