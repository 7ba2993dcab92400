"""A generic tracker as a peer: MediaPipe's FaceMesh, 478 landmarks of anybody's face.

It knows no subject and has no mesh of this one, so only how steadily it moves is compared. No figure of
any other row is measured against it. Openings of mouth and eyes may be learned from it, where
``adaptation.weights.apertures`` asks for that (openings.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.capture.video import probe, read_frames
from steadyface.errors import InputError
from steadyface.tracking.landmark_track import LandmarkTrack

logger = logging.getLogger(__name__)

LANDMARKS = 478  # of FaceMesh with its attention model: 468 of the skin, 10 of the irises


def track_landmarks(clip: Path) -> LandmarkTrack:
    """Track every frame of a clip in MediaPipe's video mode, the largest face it finds; as `track_in_depth`.

    Returns:
        the landmarks; nan in frames without a face.
    """
    points, times = track_in_depth(clip)
    return LandmarkTrack(points[..., :2], times)


def track_in_depth(clip: Path) -> tuple[Tensor, Tensor]:
    """Track every frame of a clip with the depth that MediaPipe guesses.

    Returns:
        (T, 478, 3) pixels, of the full frame, depth in about the same unit; nan in frames without a face; and the
        times (T,) in seconds. Of a clip whose end is missing, what is there.

    Raises:
        InputError: MediaPipe is not installed, or not one frame of the clip can be read.
    """
    require_mediapipe(clip)
    os.environ.setdefault("GLOG_minloglevel", "2")  # its start-up lines are no news to a user
    from mediapipe.python.solutions.face_mesh import FaceMesh

    points, times = [], []
    total = probe(clip, partial=True).frame_count or None
    with (
        FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True) as mesh,
        tqdm(total=total, desc="generic tracker", unit="frame", disable=None) as bar,
    ):
        try:
            for frame in read_frames(clip):
                points.append(_landmarks(mesh, frame.image))
                times.append(frame.time_s)
                bar.update()
        except InputError as error:
            if not points:
                raise
            logger.warning("%s; what was tracked until there is kept", error)
    return torch.from_numpy(np.stack(points)), torch.tensor(times, dtype=torch.float64)


def find_landmarks(images: Iterable[NDArray[np.uint8]]) -> Tensor:
    """Landmarks in each picture by itself, as `track_in_depth`; MediaPipe must be installed.

    Args:
        images: (H, W, 3) sRGB each.

    Returns:
        (B, 478, 3); nan where there is no face.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    from mediapipe.python.solutions.face_mesh import FaceMesh

    with FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        return torch.from_numpy(np.stack([_landmarks(mesh, image) for image in images]))


def require_mediapipe(clip: Path | None = None) -> None:
    """Raises InputError where MediaPipe is not installed; of a clip, or of an experiment that asks for the row."""
    if has_mediapipe():
        return
    remedy = "run `make detector`" + ("" if clip else ", or leave generic_tracker out of evaluation.baselines")
    raise InputError(clip or "generic_tracker", "MediaPipe, to track it", "an environment without it", remedy)


def _landmarks(mesh: Any, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(478, 3) pixels and depth of one frame (H, W, 3) sRGB; nan without a face."""
    faces = mesh.process(np.ascontiguousarray(image)).multi_face_landmarks
    if not faces:
        return np.full((LANDMARKS, 3), np.nan)
    height, width = image.shape[:2]
    shares = np.array([(point.x, point.y, point.z) for point in faces[0].landmark])
    # its 0 and 1 are the picture's edges, our pixels have whole numbers at their centres
    return shares * (width, height, width) - (0.5, 0.5, 0.0)
